//! An event stream, read event by event as it comes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Response;
use serde_json::Value;

/// How long to wait for an event before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open event stream.
#[derive(Debug)]
pub struct Events {
    response: Response,
    buffer: Vec<u8>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its data; empty in an event that only has an id.
    pub data: String,
}

// === impl Events ===

impl Events {
    /// The stream in an answer.
    ///
    /// # Errors
    /// When the answer is none.
    pub fn of(response: Response) -> Result<Self> {
        let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        ensure!(
            response.status().is_success() && kind.starts_with("text/event-stream"),
            "{} {kind:?} is no event stream",
            response.status()
        );
        Ok(Self { response, buffer: Vec::new() })
    }

    /// The next event; comments are passed over. `None` at the end of the stream.
    ///
    /// # Errors
    /// When nothing comes for 30 s, or the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        tokio::time::timeout(PATIENCE, self.read_on()).await.context("no event within 30 s")?
    }

    /// The next message; events without data are passed over.
    ///
    /// # Errors
    /// As [`Self::next`], and at the end of the stream.
    pub async fn message(&mut self) -> Result<Value> {
        loop {
            let event = self.next().await?.context("the stream ended")?;
            if !event.data.is_empty() {
                return Ok(serde_json::from_str(&event.data)?);
            }
        }
    }

    /// All messages up to the end of the stream.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn rest(&mut self) -> Result<Vec<Value>> {
        let mut messages = Vec::new();
        while let Some(event) = self.next().await? {
            if !event.data.is_empty() {
                messages.push(serde_json::from_str(&event.data)?);
            }
        }
        Ok(messages)
    }

    async fn read_on(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = Event::parse(std::str::from_utf8(&block)?) {
                    return Ok(Some(event));
                }
            }
            match self.response.chunk().await.context("the stream broke")? {
                Some(chunk) => self.buffer.extend(chunk.iter().filter(|byte| **byte != b'\r')),
                None => return Ok(None),
            }
        }
    }
}

// === impl Event ===

impl Event {
    fn parse(block: &str) -> Option<Self> {
        let mut event = Self { id: None, data: String::new() };
        let mut is_event = false;
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => event.id = Some(value.to_owned()),
                "data" if event.data.is_empty() => value.clone_into(&mut event.data),
                "data" => event.data = format!("{}\n{value}", event.data),
                _ => continue,
            }
            is_event = true;
        }
        is_event.then_some(event)
    }
}
