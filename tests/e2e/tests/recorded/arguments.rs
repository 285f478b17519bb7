//! Plausible arguments for any tool, from its schema and from what its parameters are called.

use e2e::children::Child;
use serde_json::{Map, Value, json};

/// Whether a tool speaks to Forgejo. The fixture has others, which crash, hang or flood.
pub(super) fn is_for_forgejo(child: &Child, tool: &Value) -> bool {
    let name = tool["name"].as_str().unwrap_or_default();
    !child.label.starts_with("fixture-child")
        || tool["inputSchema"]["properties"].get("owner").is_some()
        || ["whoami", "get_my_user_info", "list_my_repos", "search_repos"].contains(&name)
}

/// When a tool's turn is: reading first, removing last, so that there is something to read and to remove.
pub(super) fn turn(tool: &Value) -> u8 {
    let name = tool["name"].as_str().unwrap_or_default();
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    if begins(&["get", "list", "search", "check", "download", "whoami", "version"]) {
        0
    } else if begins(&["delete", "remove", "disable", "merge", "dismiss"]) {
        2
    } else {
        1
    }
}

/// Arguments for a tool: what its schema requires, or all that it knows.
pub(super) fn of(tool: &Value, everything: bool) -> Value {
    let schema = &tool["inputSchema"];
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let filled: Map<String, Value> = properties
        .filter(|(name, _)| everything || required.contains(&name.as_str()))
        .map(|(name, property)| (name.clone(), value(name, property)))
        .collect();
    Value::Object(filled)
}

fn value(name: &str, property: &Value) -> Value {
    if let Some(choice) = property["enum"].as_array().and_then(|choices| choices.iter().find(|c| !c.is_null())) {
        return choice.clone();
    }
    match kind(property) {
        "boolean" => json!(false),
        "integer" | "number" => json!(number(name)),
        "array" => json!([value(name, &property["items"])]),
        "object" => json!({}),
        _ => json!(text(name)),
    }
}

/// The type of a property, the first one that is not null where there are several.
fn kind(property: &Value) -> &str {
    match &property["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("string"),
        _ => "string",
    }
}

fn number(name: &str) -> u64 {
    match name {
        "limit" => 20,
        "dependency_index" | "depends_on_index" => 2,
        "max_bytes" => 4096,
        "minutes" => 60,
        _ => 1,
    }
}

fn text(name: &str) -> &'static str {
    match name {
        "owner" | "user" | "username" | "user_name" | "assignee" | "assignees" | "author" | "repo_owner" => "alice",
        "reviewers" | "created_by" => "bob",
        "org" | "organization" => "acme",
        "repo" | "repo_name" => "hello",
        "filePath" | "file_path" | "path" | "filename" => "README.md",
        "ref" | "branch" | "branch_name" | "base" | "old_branch" | "old_ref" | "target_commitish"
        | "default_branch" | "sha" => "main",
        "head" => "greet-by-name",
        "new_branch" | "new_branch_name" => "topic/one",
        "tag" | "tag_name" => "v1.0.0",
        "labels" | "milestones" | "issue_labels" => "1",
        "color" => "00aabb",
        "state" => "open",
        "since" | "before" | "last_read_at" | "due_date" | "created_at" => "2026-01-01T00:00:00Z",
        "content" => "SGVsbG8h",
        "visibility" => "public",
        "permission" => "read",
        "url" | "clone_addr" | "remote_address" => "https://example.org/x.git",
        "style" => "merge",
        "verdict" => "comment",
        "mime_type" => "text/plain",
        "rule" | "rule_name" => "release/*",
        "page_name" => "Home",
        "workflow" => "build.yaml",
        "duration" => "1h30m",
        _ => "a text",
    }
}
