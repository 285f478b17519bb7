//! Tools that call Forgejo's API, under forgejo-mcp's names and two short ones (`whoami`, `get_issue`).

use reqwest::Method;
use serde_json::value::RawValue;

use super::{Call, Parameter, Running, Tool};
use crate::api::Request;
use crate::go;
use crate::habits::Habits;
use crate::output::Answer;
use crate::server::Fixture;

/// How a tool's arguments become an API call. Path segments in braces are arguments.
struct Shape {
    name: &'static str,
    method: Method,
    path: &'static str,
    query: &'static [&'static str],
    body: &'static [&'static str],
    /// What the Go program puts before `err: …`.
    failure: &'static str,
}

const OWNER: Parameter = Parameter("owner", "string", true);
const REPO: Parameter = Parameter("repo", "string", true);
const INDEX: Parameter = Parameter("index", "number", true);
const PAGE: Parameter = Parameter("page", "number", false);
const LIMIT: Parameter = Parameter("limit", "number", false);

pub(crate) const TOOLS: &[Tool] = &[
    tool("whoami", "Get user info", &[]),
    tool("get_my_user_info", "Get user info", &[]),
    tool("get_forgejo_mcp_server_version", "Get Forgejo MCP Server Version", &[]),
    tool("get_issue", "Get issue by index", &[OWNER, REPO, INDEX]),
    tool("get_issue_by_index", "Get issue by index", &[OWNER, REPO, INDEX]),
    tool("get_pull_request_by_index", "Get pull request by index", &[OWNER, REPO, INDEX]),
    tool(
        "create_issue",
        "Create issue",
        &[OWNER, REPO, Parameter("title", "string", true), Parameter("body", "string", false)],
    ),
    tool("create_issue_comment", "Create issue comment", &[OWNER, REPO, INDEX, Parameter("body", "string", true)]),
    tool("issue_state_change", "Change issue state", &[OWNER, REPO, INDEX, Parameter("state", "string", true)]),
    tool("list_repo_issues", "List repo issues", &[OWNER, REPO, Parameter("state", "string", false), PAGE, LIMIT]),
    tool("list_issue_comments", "List issue/PR comments", &[OWNER, REPO, INDEX]),
    tool("list_my_repos", "List my repos", &[PAGE, LIMIT]),
    tool("search_repos", "Search repos", &[Parameter("keyword", "string", false), PAGE, LIMIT]),
    tool("list_branches", "List branches", &[OWNER, REPO, PAGE, LIMIT]),
    tool("delete_branch", "Delete branch", &[OWNER, REPO, Parameter("branch", "string", true)]),
    tool("list_releases", "List releases for a repository", &[OWNER, REPO, PAGE, LIMIT]),
    tool(
        "list_release_attachments",
        "List attachments on a release",
        &[OWNER, REPO, Parameter("release_id", "number", true)],
    ),
];

const SHAPES: &[Shape] = &[
    read("whoami", "user", "get user info"),
    read("get_my_user_info", "user", "get user info"),
    read("get_issue", "repos/{owner}/{repo}/issues/{index}", "get issue"),
    read("get_issue_by_index", "repos/{owner}/{repo}/issues/{index}", "get issue"),
    read("get_pull_request_by_index", "repos/{owner}/{repo}/pulls/{index}", "get pull request"),
    write(Method::POST, "create_issue", "repos/{owner}/{repo}/issues", &["title", "body"], "create issue"),
    write(
        Method::POST,
        "create_issue_comment",
        "repos/{owner}/{repo}/issues/{index}/comments",
        &["body"],
        "create issue comment",
    ),
    write(Method::PATCH, "issue_state_change", "repos/{owner}/{repo}/issues/{index}", &["state"], "change issue state"),
    list("list_repo_issues", "repos/{owner}/{repo}/issues", &["state", "page", "limit"], "get issues list"),
    read("list_issue_comments", "repos/{owner}/{repo}/issues/{index}/comments", "list issue comments"),
    list("list_my_repos", "user/repos", &["page", "limit"], "list my repositories"),
    list("search_repos", "repos/search", &["keyword", "page", "limit"], "search repos"),
    list("list_branches", "repos/{owner}/{repo}/branches", &["page", "limit"], "list branches"),
    write(Method::DELETE, "delete_branch", "repos/{owner}/{repo}/branches/{branch}", &[], "delete branch"),
    list("list_releases", "repos/{owner}/{repo}/releases", &["page", "limit"], "list releases"),
    read("list_release_attachments", "repos/{owner}/{repo}/releases/{release_id}/assets", "list release attachments"),
];

const fn tool(name: &'static str, about: &'static str, parameters: &'static [Parameter]) -> Tool {
    Tool { name, about, parameters, run: call_api }
}

const fn read(name: &'static str, path: &'static str, failure: &'static str) -> Shape {
    list(name, path, &[], failure)
}

const fn list(name: &'static str, path: &'static str, query: &'static [&'static str], failure: &'static str) -> Shape {
    Shape { name, method: Method::GET, path, query, body: &[], failure }
}

const fn write(
    method: Method,
    name: &'static str,
    path: &'static str,
    body: &'static [&'static str],
    failure: &'static str,
) -> Shape {
    Shape { name, method, path, query: &[], body, failure }
}

/// False for a tool of forgejo-mcp that this release has not yet.
pub(super) fn is_in(name: &str, habits: Habits) -> bool {
    let newer = Habits::V2_34_1.tool_names().lines().any(|line| line == name);
    !newer
        || habits == Habits::V2_34_1
        || habits.tool_names().lines().any(|line| line == name)
        || name.starts_with("download_")
}

fn call_api<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let Some(shape) = SHAPES.iter().find(|shape| shape.name == call.name) else {
            let version = fixture.options.habits.version();
            return Answer::text(&format!("{{\"Result\":\"Forgejo MCP Server version: {version}\"}}"));
        };
        let segments: Vec<String> = shape.path.split('/').map(|part| segment(call, part)).collect();
        let request = Request {
            method: shape.method.clone(),
            path: segments.iter().map(String::as_str).collect(),
            query: shape.query.iter().filter_map(|name| Some((query_name(name), call.text(name)?))).collect(),
            body: (!shape.body.is_empty()).then(|| body(call, shape.body)),
        };
        match fixture.api.call(&request).await {
            Ok(answer) => Answer::text(&format!("{{\"Result\":{}}}", result(&answer))),
            Err(error) => fixture.tool_failure(&format!("{} err: {error}", shape.failure)),
        }
    })
}

fn segment(call: &Call, part: &str) -> String {
    match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(argument) => call.text(argument).unwrap_or_default(),
        None => part.to_owned(),
    }
}

fn query_name(argument: &'static str) -> &'static str {
    if argument == "keyword" { "q" } else { argument }
}

fn body(call: &Call, names: &[&str]) -> String {
    let members: Vec<String> = names
        .iter()
        .filter_map(|name| Some(format!("{}:{}", go::string(name), call.raw(name).map(RawValue::get)?)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn result(body: &str) -> String {
    let body = body.trim();
    match serde_json::from_str::<&RawValue>(body) {
        Ok(_) => go::escape_html(body),
        Err(_) => go::string(body),
    }
}
