//! Tools that only answer: echo, slow, large, environment, received.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Call, Parameter, Running, Tool};
use crate::output::Answer;
use crate::server::Fixture;

pub(crate) const TOOLS: &[Tool] = &[
    Tool { name: "echo", about: "Return the arguments as they were written", parameters: &[], run: echo },
    Tool { name: "slow", about: "Answer after a while", parameters: &[Parameter("ms", "number", true)], run: slow },
    Tool {
        name: "large",
        about: "Answer with so many bytes",
        parameters: &[Parameter("bytes", "number", true)],
        run: large,
    },
    Tool { name: "environment", about: "Report this process", parameters: &[], run: environment },
    Tool {
        name: "received",
        about: "Report the lines read from stdin",
        parameters: &[Parameter("method", "string", false)],
        run: received,
    },
];

/// The bytes of the arguments, as text and as structured content.
fn echo<'a>(_: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async { Answer::structured(&call.raw_arguments) })
}

/// Answers late. Cancellation is ignored unless `--obey-cancel` is given.
fn slow<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let ms = call.count("ms").unwrap_or(1000);
        let done = Answer::text(&format!("{{\"Result\":\"slept {ms} ms\"}}"));
        let nap = tokio::time::sleep(Duration::from_millis(ms));
        if !fixture.options.obey_cancel {
            nap.await;
            return done;
        }
        let cancelled = fixture.cancellations.watch(&call.id);
        tokio::select! {
            () = nap => {
                fixture.cancellations.forget(&call.id);
                done
            }
            _ = cancelled => Answer::internal("slow err: context canceled"),
        }
    })
}

fn large<'a>(_: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let bytes = usize::try_from(call.count("bytes").unwrap_or(1024)).unwrap_or(0);
        Answer::text(&"x".repeat(bytes))
    })
}

/// Environment, arguments, working directory, open files, and what the kernel says about the process.
fn environment<'a>(_: &'a Fixture, _: &'a Call) -> Running<'a> {
    Box::pin(async {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        let arguments: Vec<String> = std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect();
        let directory = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
        let report = json!({
            "variables": variables,
            "arguments": arguments,
            "directory": directory,
            "pid": std::process::id(),
            "files": open_files(),
            "status": table("/proc/self/status", ':'),
            "limits": fs::read_to_string("/proc/self/limits").unwrap_or_default(),
            "group": process_group(),
        });
        Answer::structured(&crate::go::escape_html(&report.to_string()))
    })
}

/// The lines that arrived, or those that mention a method.
fn received<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let mut lines = fixture.received.all();
        if let Some(method) = call.text("method") {
            lines.retain(|line| method_of(line).as_deref() == Some(&method));
        }
        Answer::structured(&crate::go::escape_html(&json!({ "lines": lines }).to_string()))
    })
}

fn method_of(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    message.get("method")?.as_str().map(str::to_owned)
}

fn open_files() -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), target.display().to_string()))
        })
        .collect()
}

fn table(path: &str, separator: char) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Field 5 of /proc/self/stat; the program's name before it may hold spaces.
fn process_group() -> Option<i64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}
