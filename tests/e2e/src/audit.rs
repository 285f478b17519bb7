//! The audit log of a broker, as the JSON lines that it writes.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::broker::Settings;
use crate::stack::until_ok;

/// A file for one broker's audit log.
pub struct AuditFile {
    folder: TempDir,
}

// === impl AuditFile ===

impl AuditFile {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no folder for it.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir().context("no folder for the audit log")? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    /// Settings with which a broker writes it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::default().with("AUDIT_LOG", self.path().display().to_string())
    }

    /// All events so far.
    ///
    /// # Errors
    /// When a line is no JSON.
    pub fn events(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.path()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// Waits for an event with this name and outcome; the newest one.
    ///
    /// # Errors
    /// When none comes within 20 s.
    pub async fn event(&self, name: &str, outcome: &str) -> Result<Value> {
        until_ok(&format!("{name} {outcome} is written down"), async || {
            let events = self.events()?;
            let found = events.iter().rev().find(|event| event["event"] == name && event["outcome"] == outcome);
            found.cloned().with_context(|| format!("there is only {events:?}"))
        })
        .await
    }
}
