//! Tools that send notifications: `progress`, `log`, `list_changed`, `touch_resource`.

use std::time::Duration;

use serde_json::json;

use super::{Call, Parameter, Running, Tool};
use crate::go;
use crate::output::Answer;
use crate::resources::NOTE;
use crate::server::Fixture;

pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "progress",
        about: "Send n progress notifications, then answer; a text is told in all of them",
        parameters: &[
            Parameter("n", "number", true),
            Parameter("interval_ms", "number", false),
            Parameter("text", "string", false),
        ],
        run: progress,
    },
    Tool {
        name: "log",
        about: "Send a log message if the level set by the client allows it",
        parameters: &[Parameter("level", "string", false), Parameter("data", "string", false)],
        run: log,
    },
    Tool {
        name: "list_changed",
        about: "Add a tool (kind tools) and send the list_changed notification of tools, resources or prompts",
        parameters: &[Parameter("kind", "string", false), Parameter("add", "string", false)],
        run: list_changed,
    },
    Tool {
        name: "touch_resource",
        about: "Change fixture://note and tell its subscribers",
        parameters: &[Parameter("uri", "string", false)],
        run: touch_resource,
    },
];

/// Without a progress token nothing is sent.
fn progress<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let steps = call.count("n").unwrap_or(1);
        let pause = Duration::from_millis(call.count("interval_ms").unwrap_or(0));
        let token = call.meta.entry("progressToken").and_then(|raw| fixture.echoed(raw));
        let Some(token) = token else {
            return Answer::text("{\"Result\":\"no progress token\"}");
        };
        let text = call.text("text");
        for step in 1..=steps {
            let message = go::string(&text.clone().unwrap_or_else(|| format!("step {step}")));
            fixture.output.notify(
                "notifications/progress",
                &format!(r#"{{"progressToken":{token},"progress":{step},"total":{steps},"message":{message}}}"#),
            );
            tokio::time::sleep(pause).await;
        }
        Answer::text(&text.unwrap_or_else(|| format!("{{\"Result\":\"sent {steps}\"}}")))
    })
}

/// mcp-go's level starts at error and is moved by logging/setLevel.
fn log<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let level = call.text("level").unwrap_or_else(|| "info".into());
        let data = call.raw("data").map_or_else(|| go::string("a line from the fixture"), |raw| raw.get().to_owned());
        let sent = fixture.logs(&level);
        if sent {
            let params = format!(r#"{{"level":{},"logger":"fixture","data":{data}}}"#, go::string(&level));
            fixture.output.notify("notifications/message", &params);
        }
        Answer::text(&json!({ "Result": { "sent": sent } }).to_string())
    })
}

fn list_changed<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let kind = call.text("kind").unwrap_or_else(|| "tools".into());
        if kind == "tools" {
            fixture.catalogue.add(&call.text("add").unwrap_or_else(|| "appeared".into()));
        }
        fixture.output.notify_bare(&format!("notifications/{kind}/list_changed"));
        Answer::text(&format!("{{\"Result\":{}}}", go::string(&kind)))
    })
}

fn touch_resource<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let uri = call.text("uri").unwrap_or_else(|| NOTE.into());
        let told = fixture.resources.touch(&uri);
        if told {
            fixture.output.notify("notifications/resources/updated", &json!({ "uri": uri }).to_string());
        }
        let report = json!({ "told": told, "subscribed": fixture.resources.subscribed() });
        Answer::structured(&report.to_string())
    })
}
