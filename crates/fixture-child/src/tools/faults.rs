//! Tools that misbehave on purpose.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Call, Parameter, Running, Tool};
use crate::go;
use crate::journal::{self, Journal};
use crate::output::Answer;
use crate::server::Fixture;

pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "crash",
        about: "End the process: exit (with a status), abort, panic (as the Go program of this release), or half a line",
        parameters: &[Parameter("how", "string", false), Parameter("status", "number", false)],
        run: crash,
    },
    Tool {
        name: "garbage",
        about: "Print lines that are no JSON-RPC before the answer",
        parameters: &[Parameter("text", "string", false), Parameter("times", "number", false)],
        run: garbage,
    },
    Tool {
        name: "stray",
        about: "Print an answer to an id that nobody used, or answer this call twice (id \"own\")",
        parameters: &[Parameter("id", "string", false)],
        run: stray,
    },
    Tool {
        name: "endless_line",
        about: "Write bytes without a newline, for ever if no number is given",
        parameters: &[Parameter("bytes", "number", false)],
        run: endless_line,
    },
    Tool {
        name: "stderr",
        about: "Print text on stderr; {token} stands for the token that this process holds",
        parameters: &[Parameter("text", "string", true), Parameter("times", "number", false)],
        run: stderr,
    },
    Tool {
        name: "ignore_sigterm",
        about: "From now on stay alive on SIGTERM (and, if asked, at the end of stdin)",
        parameters: &[Parameter("eof_too", "boolean", false)],
        run: ignore_sigterm,
    },
    Tool {
        name: "grandchild",
        about: "Start a process that does nothing for so many seconds",
        parameters: &[
            Parameter("seconds", "number", false),
            Parameter("own_group", "boolean", false),
            Parameter("keep_stdout", "boolean", false),
        ],
        run: grandchild,
    },
];

fn crash<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let status = i32::try_from(call.count("status").unwrap_or(2)).unwrap_or(2);
        match call.text("how").as_deref() {
            Some("abort") => std::process::abort(),
            Some("panic") if fixture.options.habits.survives_panic() => {
                Journal::raw("panic recovered in stdio tool call worker: asked for\n");
                Answer::Orphan { code: -32603, message: "internal panic: asked for".into() }
            }
            Some("panic") => {
                Journal::raw("panic: asked for\n\ngoroutine 19 [running]:\n");
                journal::stack_trace(fixture.options.habits.start_stack());
                std::process::exit(2)
            }
            Some("half_line") => {
                // The process ends whether or not anybody read the half line.
                let _ = fixture.output.bytes(br#"{"jsonrpc":"2.0","id":"#);
                std::process::exit(status)
            }
            None | Some("exit") => std::process::exit(status),
            Some(other) => {
                Answer::invalid_params(format!("crash: how is exit, abort, panic or half_line, not {other}"))
            }
        }
    })
}

fn garbage<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let text = call.text("text").unwrap_or_else(|| "this is no JSON {".into());
        for _ in 0..call.count("times").unwrap_or(1) {
            fixture.output.line(&text);
        }
        Answer::text("{\"Result\":\"printed\"}")
    })
}

fn stray<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let id = match call.raw("id") {
            Some(raw) if raw.get() == "\"own\"" => call.id.clone(),
            Some(raw) => raw.get().to_owned(),
            None => "4711".into(),
        };
        fixture.output.answer(&id, &Answer::text("{\"Result\":\"stray\"}"));
        Answer::text("{\"Result\":\"proper\"}")
    })
}

fn endless_line<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        match fixture.output.without_newline(call.count("bytes")) {
            Ok(()) => Answer::text("{\"Result\":\"written\"}"),
            Err(error) => fixture.tool_failure(&format!("endless_line err: {error}")),
        }
    })
}

fn stderr<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let text = call.text("text").unwrap_or_default().replace("{token}", fixture.api.token());
        for _ in 0..call.count("times").unwrap_or(1) {
            Journal::raw(&format!("{text}\n"));
        }
        Answer::text("{\"Result\":\"printed\"}")
    })
}

fn ignore_sigterm<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        fixture.stay(call.flag("eof_too"));
        Answer::text("{\"Result\":\"ignored from now on\"}")
    })
}

/// The process shares our process group unless `own_group`; with `keep_stdout` it holds our stdout open.
fn grandchild<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let seconds = call.count("seconds").unwrap_or(600);
        let mut command = Command::new("/proc/self/exe");
        command.arg("--linger").arg(seconds.to_string()).stdin(Stdio::null()).stderr(Stdio::null());
        if !call.flag("keep_stdout") {
            command.stdout(Stdio::null());
        }
        if call.flag("own_group") {
            command.process_group(0);
        }
        match command.spawn() {
            Ok(child) => Answer::structured(&json!({ "pid": child.id() }).to_string()),
            Err(error) => fixture.tool_failure(&format!("grandchild err: {}", go::string(&error.to_string()))),
        }
    })
}
