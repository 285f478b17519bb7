//! The table of child programs that the end-to-end tests run over.
//!
//! `scripts/children.sh` finds or installs them and writes `.children/children.json`; the fixture child is built with the tests. A child that is
//! absent is in the table too, with the reason, so that a run says what it did not cover.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::binaries::{built, project_root};

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

/// Which vocabulary a child speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// goern's forgejo-mcp, and the fixture.
    Go,
    /// forgejo-mcp-rs.
    Rust,
}

/// A tool call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Tool name.
    pub tool: &'static str,
    /// Arguments.
    pub arguments: Value,
    /// Must be in the answer's text.
    pub expect: &'static str,
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
    Ok(Child {
        label: format!("fixture-child as {habits}"),
        profile: "forgejo-mcp".to_owned(),
        command: built("fixture-child")?,
        args: vec!["--habits".to_owned(), habits.to_owned()],
        words: Words::Go,
    })
}

/// Every child that is present, and every one that is not.
///
/// # Errors
/// When the list is there but cannot be read, or the fixture cannot be built.
pub fn table() -> Result<(Vec<Child>, Vec<Absent>)> {
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
                words: if child.profile == "forgejo-mcp-rs" { Words::Rust } else { Words::Go },
                label: child.name,
                profile: child.profile,
                command: child.path,
                args: child.arguments,
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
    /// The same with more arguments.
    #[must_use]
    pub fn with_args(mut self, more: &[&str]) -> Self {
        self.args.extend(more.iter().map(|argument| (*argument).to_owned()));
        self
    }
}

// === impl Words ===

impl Words {
    /// Who am I.
    #[must_use]
    pub fn whoami(self, login: &'static str) -> Call {
        let tool = match self {
            Self::Go => "get_my_user_info",
            Self::Rust => "whoami",
        };
        Call { tool, arguments: json!({}), expect: login }
    }

    /// The tasks that every child is asked to do, as `alice` of the demo data.
    #[must_use]
    pub fn reading(self) -> Vec<Call> {
        let repo = |mut more: Value| {
            more["owner"] = json!("alice");
            more["repo"] = json!("hello");
            more
        };
        match self {
            Self::Go => vec![
                self.whoami("alice"),
                Call { tool: "list_my_repos", arguments: json!({"page": 1, "limit": 10}), expect: "private-notes" },
                self.issue(1, "Greet people by name"),
                Call {
                    tool: "list_repo_issues",
                    arguments: repo(json!({"state": "open", "type": "issues", "page": 1, "limit": 10})),
                    expect: "Write a manual page",
                },
                Call {
                    tool: "list_branches",
                    arguments: repo(json!({"page": 1, "limit": 10})),
                    expect: "greet-by-name",
                },
                Call {
                    tool: "get_pull_request_by_index",
                    arguments: repo(json!({"index": 4})),
                    expect: "greet-by-name",
                },
                comments(),
            ],
            Self::Rust => vec![
                self.whoami("alice"),
                Call { tool: "list_my_repos", arguments: json!({}), expect: "private-notes" },
                self.issue(1, "Greet people by name"),
                Call { tool: "list_issues", arguments: repo(json!({})), expect: "Write a manual page" },
                Call { tool: "list_branches", arguments: repo(json!({})), expect: "greet-by-name" },
                Call { tool: "get_pull_request", arguments: repo(json!({"index": 4})), expect: "greet-by-name" },
                comments(),
            ],
        }
    }

    /// One issue of `alice/hello`.
    #[must_use]
    pub fn issue(self, number: i64, title: &'static str) -> Call {
        let tool = match self {
            Self::Go => "get_issue_by_index",
            Self::Rust => "get_issue",
        };
        Call { tool, arguments: json!({"owner": "alice", "repo": "hello", "index": number}), expect: title }
    }

    /// A file of `alice/hello`. Some programs show it as text, some as base64.
    #[must_use]
    pub fn file(self) -> Call {
        let (tool, arguments) = match self {
            Self::Go => {
                ("get_file_content", json!({"owner": "alice", "repo": "hello", "filePath": "README.md", "ref": "main"}))
            }
            Self::Rust => ("get_file_contents", json!({"owner": "alice", "repo": "hello", "path": "README.md"})),
        };
        Call { tool, arguments, expect: "A program that says hello." }
    }

    /// A write.
    #[must_use]
    pub fn create_issue(self, title: &'static str) -> Call {
        let arguments = json!({"owner": "alice", "repo": "hello", "title": title, "body": "made by a test"});
        Call { tool: "create_issue", arguments, expect: title }
    }
}

/// Both call it the same.
fn comments() -> Call {
    let arguments = json!({"owner": "alice", "repo": "hello", "index": 1});
    Call { tool: "list_issue_comments", arguments, expect: "Good idea, I am on it." }
}
