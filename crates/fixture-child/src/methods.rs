//! The methods that are answered by the thread that reads, one after the other.

use crate::members::{Kind, Members, WrongKind};
use crate::output::Answer;
use crate::resources;
use crate::server::Fixture;

/// Revisions that mcp-go echoes; anything else becomes the last of them.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// Answers everything but tools/call.
pub(crate) async fn answer(fixture: &Fixture, method: &str, message: &Members) -> Answer {
    let params = match message.object_field("params") {
        Ok(params) => params,
        Err(WrongKind(kind)) => return unparsable(method, kind, &params_field(method)),
    };
    let uri = || params.string_field("uri").ok().flatten().unwrap_or_default();
    let with_resources = fixture.options.subscribe || fixture.options.habits.has_resources();
    match method {
        "initialize" => initialize(fixture, &params),
        "ping" => Answer::empty(),
        "logging/setLevel" => set_level(fixture, &params),
        "tools/list" => match params.string_field("cursor") {
            Ok(cursor) => fixture.catalogue.page(cursor.as_deref()),
            Err(WrongKind(kind)) => {
                unparsable(method, kind, "PaginatedParams.PaginatedRequest.params.cursor of type mcp.Cursor")
            }
        },
        "resources/list" if with_resources => resources::list(fixture),
        "resources/templates/list" if with_resources => resources::templates(fixture),
        "resources/read" if with_resources => resources::read(fixture, &uri()).await,
        "resources/subscribe" if fixture.options.subscribe => {
            fixture.resources.subscribe(&uri());
            Answer::empty()
        }
        "resources/unsubscribe" if fixture.options.subscribe => {
            fixture.resources.unsubscribe(&uri());
            Answer::empty()
        }
        "resources/subscribe" if with_resources => Answer::method_not_found("resources subscribe not supported"),
        "resources/unsubscribe" if with_resources => Answer::method_not_found("resources unsubscribe not supported"),
        "resources/list" | "resources/templates/list" | "resources/read" => {
            Answer::method_not_found("resources not supported")
        }
        "prompts/list" | "prompts/get" => Answer::method_not_found("prompts not supported"),
        "completion/complete" => Answer::method_not_found("completions not supported"),
        "tasks/list" | "tasks/get" | "tasks/result" | "tasks/cancel" => Answer::method_not_found("tasks not supported"),
        other => Answer::method_not_found(format!("Method {other} not found")),
    }
}

/// mcp-go's answer to a member of another type than `field`, which is described in Go's words.
pub(crate) fn unparsable(method: &str, kind: Kind, field: &str) -> Answer {
    let name = kind.go_name();
    Answer::invalid_request(format!(
        "unparsable {method} request: json: cannot unmarshal {name} into Go struct field {field}"
    ))
}

/// The severity of a level; higher is worse. None for a word that is no level.
pub(crate) fn severity(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

fn params_field(method: &str) -> String {
    let name: String = match method {
        "ping" => "PingRequest.Request".into(),
        other => format!("{}Request.Request", other.replace('/', ".")),
    };
    format!("{name}.params of type mcp.RequestParams")
}

fn initialize(fixture: &Fixture, params: &Members) -> Answer {
    let asked = match params.string_field("protocolVersion") {
        Ok(asked) => asked.unwrap_or_default(),
        Err(WrongKind(kind)) => {
            return unparsable("initialize", kind, "InitializeParams.params.protocolVersion of type string");
        }
    };
    let asked = if asked.is_empty() { "2025-03-26" } else { asked.as_str() };
    let revision = REVISIONS.iter().find(|known| **known == asked).unwrap_or(&REVISIONS[3]);
    let habits = fixture.options.habits;
    let resources = if fixture.options.subscribe {
        r#""resources":{"listChanged":true,"subscribe":true},"#
    } else if habits.has_resources() {
        r#""resources":{},"#
    } else {
        ""
    };
    fixture.open_session();
    let version = habits.version();
    Answer::Result(format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{{"logging":{{}},{resources}"tools":{{"listChanged":true}}}},"serverInfo":{{"name":"Forgejo MCP Server","version":"{version}"}}}}"#
    ))
}

fn set_level(fixture: &Fixture, params: &Members) -> Answer {
    if !fixture.has_session() {
        return Answer::internal("session not properly initialized");
    }
    match params.string_field("level") {
        Ok(level) => {
            let level = level.unwrap_or_default();
            if severity(&level).is_none() {
                return Answer::invalid_params(format!("invalid logging level '{level}'"));
            }
            fixture.set_level(&level);
            Answer::empty()
        }
        Err(WrongKind(kind)) => {
            unparsable("logging/setLevel", kind, "SetLevelParams.params.level of type mcp.LoggingLevel")
        }
    }
}
