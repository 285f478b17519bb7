//! The server as a process with lines in and out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    sent: u64,
}

impl Child {
    pub(crate) fn start(era: &str) -> Self {
        Self::start_with(&["--era", era])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_conformance-child"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let message = serde_json::from_str(&line.unwrap()).expect("a line that is not JSON");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self { process, stdin, lines, sent: 0 }
    }

    /// A legacy server after the handshake with a client of these capabilities.
    pub(crate) fn initialized(capabilities: &Value) -> Self {
        let mut child = Self::start("legacy");
        child.initialize("2025-11-25", capabilities);
        child.notify("notifications/initialized", &json!({}));
        child
    }

    pub(crate) fn initialize(&mut self, version: &str, capabilities: &Value) -> Value {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": client});
        self.ask("initialize", &params)["result"].clone()
    }

    pub(crate) fn raw(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
        stdin.flush().unwrap();
    }

    pub(crate) fn write(&mut self, message: &Value) {
        self.raw(&message.to_string());
    }

    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.write(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request and leaves the rest to the caller; its id.
    pub(crate) fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.sent += 1;
        self.write(&json!({"jsonrpc": "2.0", "id": self.sent, "method": method, "params": params}));
        self.sent
    }

    /// Sends a request and takes the next line, which has to be its response.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.begin(method, params);
        let response = self.next();
        assert_eq!(response["id"], id, "{method}: {response}");
        response
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("nothing came")
    }

    /// Everything up to the response to `id`, which is the last.
    pub(crate) fn until_response(&mut self, id: u64) -> Vec<Value> {
        let mut lines = Vec::new();
        loop {
            let line = self.next();
            let is_last = line.get("method").is_none() && line["id"] == id;
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// Closes stdin; what still came, and how it ended.
    pub(crate) fn close(mut self) -> (Vec<Value>, ExitStatus) {
        self.stdin = None;
        self.ended()
    }

    /// What still comes, and how it ends.
    pub(crate) fn ended(mut self) -> (Vec<Value>, ExitStatus) {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
        let status = self.process.wait().unwrap();
        (rest, status)
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Gone already, in most tests.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All that a client can be asked for.
pub(crate) fn everything() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {}})
}

/// Params with the `_meta` of 2026-07-28.
pub(crate) fn modern(mut params: Value, capabilities: &Value) -> Value {
    let meta = params.as_object_mut().unwrap().entry("_meta").or_insert_with(|| json!({}));
    meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    meta["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    params
}

/// A good answer to a question of this method.
pub(crate) fn answer_to(method: &str) -> Value {
    match method {
        "elicitation/create" => json!({"action": "accept", "content": {"name": "Ada", "ok": true, "color": "red"}}),
        "sampling/createMessage" => {
            json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m", "stopReason": "endTurn"})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///home/ada", "name": "home"}]}),
        other => panic!("nobody answers {other}"),
    }
}

/// Arguments that every tool is content with.
pub(crate) fn arguments() -> Value {
    json!({"prompt": "Say something", "message": "Who are you?", "region": "north"})
}
