//! The same tasks in the words of each program: every server has its own names of tools and arguments.

use serde_json::{Value, json};

/// Which vocabulary a child speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// goern's forgejo-mcp, and the fixture.
    Go,
    /// forgejo-mcp-rs.
    Rust,
    /// gitea-mcp from npm.
    GiteaNpm,
    /// gitea-mcp from `PyPI`.
    GiteaPython,
    /// gitea-toolkit-mcp from `PyPI`.
    GiteaToolkit,
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

// === impl Words ===

impl Words {
    /// The words of the program that a worker profile is for.
    #[must_use]
    pub fn of_profile(profile: &str) -> Self {
        match profile {
            "forgejo-mcp-rs" => Self::Rust,
            "gitea-mcp-npm" => Self::GiteaNpm,
            "gitea-mcp-python" => Self::GiteaPython,
            "gitea-toolkit-mcp" => Self::GiteaToolkit,
            _ => Self::Go,
        }
    }

    /// Who am I.
    #[must_use]
    pub fn whoami(self, login: &'static str) -> Call {
        let tool = match self {
            Self::Go => "get_my_user_info",
            Self::Rust => "whoami",
            Self::GiteaNpm => "user__get_my_userinfo",
            Self::GiteaPython => "get_server_info",
            Self::GiteaToolkit => "gitea_get_current_user",
        };
        Call { tool, arguments: json!({}), expect: login }
    }

    /// The tasks that every child is asked to do, as `alice` of the demo data.
    #[must_use]
    pub fn reading(self) -> Vec<Call> {
        let call = |tool, arguments, expect| Call { tool, arguments, expect };
        let (repos, page) = ("private-notes", json!({"page": 1, "limit": 10}));
        let (open, branch) = ("Write a manual page", "greet-by-name");
        let mut calls = vec![self.whoami("alice"), self.issue(1, "Greet people by name")];
        calls.extend(match self {
            Self::Go => vec![
                call("list_my_repos", page.clone(), repos),
                call(
                    "list_repo_issues",
                    of_hello(json!({"state": "open", "type": "issues", "page": 1, "limit": 10})),
                    open,
                ),
                call("list_branches", of_hello(page), branch),
                call("get_pull_request_by_index", of_hello(json!({"index": 4})), branch),
                call("list_issue_comments", of_hello(json!({"index": 1})), COMMENT),
            ],
            Self::Rust => vec![
                call("list_my_repos", json!({}), repos),
                call("list_issues", of_hello(json!({})), open),
                call("list_branches", of_hello(json!({})), branch),
                call("get_pull_request", of_hello(json!({"index": 4})), branch),
                call("list_issue_comments", of_hello(json!({"index": 1})), COMMENT),
            ],
            Self::GiteaNpm => vec![
                call("repo__list_my", page.clone(), repos),
                call("issue__list", of_hello(page), open),
                call("pull_request__get", of_hello(json!({"index": 4})), branch),
                call("issue__comment_list", of_hello(json!({"index": 1})), COMMENT),
            ],
            Self::GiteaPython => vec![
                call("list_repos", json!({}), repos),
                call("list_issues", of_hello(json!({"state": "open"})), open),
                call("list_branches", of_hello(json!({})), branch),
                call("get_pull_request", of_hello(json!({"pull_number": 4})), branch),
                // It tells the comments with the issue.
                call("get_issue", of_hello(json!({"issue_number": 1})), COMMENT),
            ],
            Self::GiteaToolkit => vec![
                call("gitea_list_repos", json!({"mine": true}), repos),
                call("gitea_list_issues", of_hello(json!({"state": "open"})), open),
                call("gitea_list_branches", of_hello(json!({})), branch),
                call("gitea_get_pull", of_hello(json!({"index": 4})), branch),
                call("gitea_list_issue_comments", of_hello(json!({"index": 1})), COMMENT),
            ],
        });
        calls
    }

    /// One issue of `alice/hello`.
    #[must_use]
    pub fn issue(self, number: i64, title: &'static str) -> Call {
        let (tool, argument) = match self {
            Self::Go => ("get_issue_by_index", "index"),
            Self::Rust => ("get_issue", "index"),
            Self::GiteaNpm => ("issue__get_by_index", "index"),
            Self::GiteaPython => ("get_issue", "issue_number"),
            Self::GiteaToolkit => ("gitea_get_issue", "index"),
        };
        Call { tool, arguments: of_hello(json!({argument: number})), expect: title }
    }

    /// A file of `alice/hello`, where there is a tool for it. Some programs show it as text, some as base64.
    #[must_use]
    pub fn file(self) -> Option<Call> {
        let (tool, argument) = match self {
            Self::Go => ("get_file_content", "filePath"),
            Self::Rust => ("get_file_contents", "path"),
            Self::GiteaNpm => return None,
            Self::GiteaPython => ("read_file", "path"),
            Self::GiteaToolkit => ("gitea_get_file", "filePath"),
        };
        let arguments = of_hello(json!({argument: "README.md", "ref": "main"}));
        Some(Call { tool, arguments, expect: "A program that says hello." })
    }

    /// A write.
    #[must_use]
    pub fn create_issue(self, title: &'static str) -> Call {
        let tool = match self {
            Self::Go | Self::Rust | Self::GiteaPython => "create_issue",
            Self::GiteaNpm => "issue__create",
            Self::GiteaToolkit => "gitea_create_issue",
        };
        Call { tool, arguments: of_hello(json!({"title": title, "body": "made by a test"})), expect: title }
    }
}

/// On the first issue of `alice/hello`.
const COMMENT: &str = "Good idea, I am on it.";

fn of_hello(mut arguments: Value) -> Value {
    arguments["owner"] = json!("alice");
    arguments["repo"] = json!("hello");
    arguments
}
