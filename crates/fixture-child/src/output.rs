//! stdout: one writer, one line at a time.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// The only way to stdout. A line is written whole before the next one begins.
#[derive(Debug, Default)]
pub(crate) struct Output {
    turn: Mutex<()>,
}

// === impl Output ===

impl Output {
    /// Writes one line. A closed pipe is no reason to stop: calls in flight go on, as in Go.
    pub(crate) fn line(&self, text: &str) {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
        let _ = self.bytes(&bytes);
    }

    /// Writes bytes as they are, under the same turn as lines.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Writes `total` bytes without a newline; without a total until the reader is gone.
    pub(crate) fn without_newline(&self, total: Option<u64>) -> io::Result<()> {
        static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stdout = io::stdout().lock();
        let mut left = total;
        loop {
            let size = match left {
                Some(0) => break,
                Some(rest) => usize::try_from(rest).unwrap_or(usize::MAX).min(CHUNK.len()),
                None => CHUNK.len(),
            };
            stdout.write_all(&CHUNK[..size])?;
            left = left.map(|rest| rest - size as u64);
        }
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// Sends a notification whose params are given as JSON text.
    pub(crate) fn notify(&self, method: &str, params: &str) {
        let method = crate::go::string(method);
        self.line(&format!(r#"{{"jsonrpc":"2.0","method":{method},"params":{params}}}"#));
    }

    /// Sends a notification without params.
    pub(crate) fn notify_bare(&self, method: &str) {
        let method = crate::go::string(method);
        self.line(&format!(r#"{{"jsonrpc":"2.0","method":{method}}}"#));
    }

    /// Answers a request. `id` is JSON text.
    pub(crate) fn answer(&self, id: &str, answer: &Answer) {
        match answer {
            Answer::Result(result) => self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)),
            Answer::Error { code, message } => {
                let message = crate::go::string(message);
                self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#));
            }
            Answer::Orphan { code, message } => {
                self.answer("null", &Answer::Error { code: *code, message: message.clone() });
            }
        }
    }
}

/// What a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A result, as JSON text.
    Result(String),
    /// A JSON-RPC error.
    Error { code: i32, message: String },
    /// An error that has lost its id: the caller waits in vain.
    Orphan { code: i32, message: String },
}

// === impl Answer ===

impl Answer {
    /// An empty result.
    pub(crate) fn empty() -> Self {
        Self::Result("{}".into())
    }

    /// A tool result with one text.
    pub(crate) fn text(text: &str) -> Self {
        Self::Result(format!(r#"{{"content":[{{"type":"text","text":{}}}]}}"#, crate::go::string(text)))
    }

    /// A tool result with one text that repeats `structured`, which is JSON text of an object.
    pub(crate) fn structured(structured: &str) -> Self {
        Self::Result(format!(
            r#"{{"content":[{{"type":"text","text":{}}}],"structuredContent":{structured}}}"#,
            crate::go::string(structured)
        ))
    }

    /// -32600
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::Error { code: -32600, message: message.into() }
    }

    /// -32601
    pub(crate) fn method_not_found(message: impl Into<String>) -> Self {
        Self::Error { code: -32601, message: message.into() }
    }

    /// -32602
    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::Error { code: -32602, message: message.into() }
    }

    /// -32603, which is also how every failure of a tool looks.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Error { code: -32603, message: message.into() }
    }
}
