//! The table of child programs that the end-to-end tests run over.
//!
//! `scripts/children.sh` finds or installs them and writes `.children/children.json`; the fixture child is built with the tests. A child that is
//! absent is in the table too, with the reason, so that a run says what it did not cover.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::binaries::{built, project_root};
pub use crate::words::{Call, Words};

/// One program of the table.
#[derive(Debug, Clone)]
pub struct Child {
    /// Name and version, for people.
    pub label: String,
    /// The broker's worker profile for it.
    pub profile: String,
    /// Where it is.
    pub command: PathBuf,
    /// Arguments beyond the profile's.
    pub args: Vec<String>,
    /// What it reads besides its own file.
    pub allowed_paths: Vec<PathBuf>,
    /// How the common tasks are called here.
    pub words: Words,
}

/// A child that is not there.
#[derive(Debug, Clone)]
pub struct Absent {
    /// Its name.
    pub label: String,
    /// Why.
    pub reason: String,
}

/// `.children/children.json`.
#[derive(Deserialize)]
struct List {
    children: Vec<Listed>,
    skipped: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    profile: String,
    path: PathBuf,
    arguments: Vec<String>,
    #[serde(default)]
    allowed_paths: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Skipped {
    name: String,
    reason: String,
}

/// The fixture child, behaving like `habits` (`2.18.0` or `2.34.1`).
///
/// # Errors
/// When it cannot be built.
pub fn fixture(habits: &str) -> Result<Child> {
    let child = Child::new(format!("fixture-child as {habits}"), "forgejo-mcp", built("fixture-child")?);
    Ok(child.with_args(&["--habits", habits]))
}

/// Every child for Forgejo that is present, and every one that is not.
///
/// # Errors
/// When the list is there but cannot be read, or the fixture cannot be built.
pub fn table() -> Result<(Vec<Child>, Vec<Absent>)> {
    let (present, absent) = everything()?;
    Ok((present.into_iter().filter(|child| child.profile != "custom").collect(), absent))
}

/// The reference server of the protocol's makers, which knows nothing of Forgejo; or why it is absent.
///
/// # Errors
/// As [`table`].
pub fn reference_server() -> Result<Result<Child, Absent>> {
    const NAME: &str = "@modelcontextprotocol/server-everything";
    let (present, absent) = everything()?;
    let not_listed = || Absent { label: NAME.to_owned(), reason: "scripts/children.sh does not list it".to_owned() };
    Ok(present
        .into_iter()
        .find(|child| child.label.starts_with(NAME))
        .ok_or_else(|| absent.into_iter().find(|child| child.label.starts_with(NAME)).unwrap_or_else(not_listed)))
}

fn everything() -> Result<(Vec<Child>, Vec<Absent>)> {
    let mut present = vec![fixture("2.18.0")?, fixture("2.34.1")?];
    let mut absent = Vec::new();
    let list = project_root().join(".children/children.json");
    let Ok(text) = std::fs::read_to_string(&list) else {
        let reason = "scripts/children.sh has not run".to_owned();
        absent.push(Absent { label: "forgejo-mcp, forgejo-mcp-rs".to_owned(), reason });
        return Ok((present, absent));
    };
    let listed: List = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what scripts/children.sh writes", list.display()))?;
    for child in listed.children {
        // The tests build their own fixture.
        if child.name.starts_with("fixture-child") {
            continue;
        }
        if child.path.exists() {
            present.push(Child {
                args: child.arguments,
                allowed_paths: child.allowed_paths,
                ..Child::new(child.name, &child.profile, child.path)
            });
        } else {
            absent.push(Absent { label: child.name, reason: format!("{} is gone", child.path.display()) });
        }
    }
    absent.extend(listed.skipped.into_iter().map(|child| Absent { label: child.name, reason: child.reason }));
    Ok((present, absent))
}

/// The best child for a demonstration: the real Go program, else the Rust one, else the fixture.
///
/// # Errors
/// As [`table`].
pub fn best() -> Result<Child> {
    let (present, _) = table()?;
    let rank = |child: &Child| match child.label.split(' ').next() {
        Some("forgejo-mcp") => 0,
        Some("forgejo-mcp-rs") => 1,
        _ => 2,
    };
    present.into_iter().min_by_key(rank).context("no child program")
}

// === impl Child ===

impl Child {
    /// A program that takes no arguments and reads nothing but its own file.
    #[must_use]
    pub fn new(label: String, profile: &str, command: PathBuf) -> Self {
        let (profile, words) = (profile.to_owned(), Words::of_profile(profile));
        Self { label, profile, command, args: Vec::new(), allowed_paths: Vec::new(), words }
    }

    /// The same with more arguments.
    #[must_use]
    pub fn with_args(mut self, more: &[&str]) -> Self {
        self.args.extend(more.iter().map(|argument| (*argument).to_owned()));
        self
    }
}
