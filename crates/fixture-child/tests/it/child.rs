//! The program under test with its pipes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::{Value, json};

/// A running program. It is killed when dropped.
pub(crate) struct Running {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
}

pub(crate) fn start(url: &str, arguments: &[&str]) -> Running {
    start_with_token(url, "good", arguments)
}

pub(crate) fn start_with_token(url: &str, token: &str, arguments: &[&str]) -> Running {
    start_program(env!("CARGO_BIN_EXE_fixture-child"), url, token, arguments)
}

/// Another program in the fixture's place.
pub(crate) fn start_program(program: &str, url: &str, token: &str, arguments: &[&str]) -> Running {
    let mut process = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("FORGEJO_URL", url)
        .env("FORGEJO_ACCESS_TOKEN", token)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = process.stdin.take();
    let stdout = BufReader::new(process.stdout.take().unwrap());
    let stderr = process.stderr.take();
    Running { process, stdin, stdout, stderr }
}

impl Running {
    pub(crate) fn send(&mut self, line: &str) {
        self.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Bytes as they are, without a newline.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn call(&mut self, id: u32, tool: &str, arguments: &Value) {
        let params = json!({ "name": tool, "arguments": arguments });
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string());
    }

    /// The next line as it was written; empty at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    pub(crate) fn message(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.send(line);
        self.message()
    }

    /// Calls a tool and returns its text.
    pub(crate) fn text(&mut self, tool: &str, arguments: &Value) -> String {
        self.call(1, tool, arguments);
        let answer = self.message();
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by the `kill` program.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// All of stderr, to its end.
    pub(crate) fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// All of stdout that was not read yet, to its end.
    pub(crate) fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
