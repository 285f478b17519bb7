//! Real programs' tools, called as a model would that was talked into something.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::children::{self, Child};
use e2e::through_worker::WorkerRequest;
use serde_json::{Map, Value, json};

use super::{Limited, SECRET};

#[tokio::test]
async fn every_tool_of_every_program_aimed_at_the_outside_tells_and_changes_nothing() -> Result<()> {
    // The fixture only lists most of the tools that it imitates.
    let is_real = |child: &Child| child.profile.starts_with("forgejo-mcp") && !child.label.starts_with("fixture-child");
    let programs = children::table()?.0.into_iter().filter(is_real);
    for child in programs {
        aim(&child).await.with_context(|| child.label.clone())?;
    }
    Ok(())
}

async fn aim(child: &Child) -> Result<()> {
    let alice = Limited::with(child).await?;
    let before =
        [alice.see("/api/v1/repos/alice/vault").await?, alice.see("/api/v1/repos/alice/vault/issues?state=all").await?];
    let tools = alice.worker.request("tools/list", &json!({})).await?["tools"].clone();
    let tools = tools.as_array().context("no tools")?;
    let mut called = 0;
    for tool in tools {
        let name = tool["name"].as_str().context("a tool without a name")?;
        // The fixture's own; what it does is not Forgejo's.
        if ["raw_request", "environment", "exit", "crash", "hang"].iter().any(|own| name.contains(own))
            || tool["inputSchema"].is_null()
        {
            continue;
        }
        for repository in ["vault", "hello"] {
            let arguments = arguments(&tool["inputSchema"], repository);
            if repository == "hello" && !reads(name) {
                continue;
            }
            let answer = alice.worker.send_call(name, &arguments).await?;
            let told = json!(answer.messages()?).to_string();
            let encoded = STANDARD.encode(SECRET);
            ensure!(!told.contains(SECRET) && !told.contains(&encoded[..12]), "{name} {arguments} tells: {told}");
            called += 1;
        }
    }
    ensure!(called > 50, "only {called} calls of {} tools", tools.len());
    let after =
        [alice.see("/api/v1/repos/alice/vault").await?, alice.see("/api/v1/repos/alice/vault/issues?state=all").await?];
    ensure!(before == after, "the vault was {before:?} and is {after:?}");
    let calls = [child.words.whoami("alice"), child.words.create_issue("Made through a choice")];
    for call in calls.into_iter().chain(child.words.file()) {
        let text = alice.worker.call_text(call.tool, &call.arguments).await?;
        // Some programs show a file's content as base64.
        let shown = text.contains(call.expect)
            || text.contains(&STANDARD.encode("# hello\n\nA program that says hello.")[..40]);
        ensure!(shown, "{}: {text}", call.tool);
    }
    merges(child, &alice).await?;
    let mine = alice.worker.call_text("list_my_repos", &json!({"page": 1, "limit": 10})).await?;
    ensure!(mine.contains("alice/hello") && !mine.contains("vault") && !mine.contains("private-notes"), "{mine}");
    Ok(())
}

/// A pull request from a fork outside is merged by the tool, its branch left alone; with the wish to delete it, it is not.
async fn merges(child: &Child, alice: &Limited) -> Result<()> {
    let setting = json!({"default_delete_branch_after_merge": true});
    let setting = WorkerRequest::new("PATCH", "/api/v1/repos/alice/hello").json(&setting);
    ensure!(alice.directly(&setting).await?.status == 200);
    let topic = "/api/v1/repos/outside/hello/branches/topic";
    for deletes in [true, false] {
        let wish = if child.profile == "forgejo-mcp-rs" { "delete_branch" } else { "delete_branch_after_merge" };
        let mut arguments = json!({"owner": "alice", "repo": "hello", "index": alice.pull, "style": "merge"});
        arguments[wish] = json!(deletes);
        let answer = alice.worker.send_call("merge_pull_request", &arguments).await?;
        let told = json!(answer.messages()?).to_string();
        let merged = alice.see(&format!("/api/v1/repos/alice/hello/pulls/{}", alice.pull)).await?["merged"] == true;
        ensure!(merged != deletes, "{}: {arguments}: {told}", child.label);
        // forgejo-mcp says "merged successfully" whatever Forgejo answers: its library does not take a refusal of a merge for an error.
        alice.see(topic).await.context("the branch outside is gone")?;
    }
    Ok(())
}

fn reads(tool: &str) -> bool {
    ["get_", "list_", "search_", "check_", "whoami"].iter().any(|word| tool.starts_with(word))
}

/// Values for all properties of a schema, with `alice` and `repository` where owner and repository are meant.
fn arguments(schema: &Value, repository: &str) -> Value {
    let mut arguments = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let kind = property["type"].as_str().or_else(|| property["type"][0].as_str()).unwrap_or("string");
        let value = match (name.as_str(), kind) {
            ("username" | "user" | "assignee", _) => json!("alice"),
            (owner, _) if owner.ends_with("owner") => json!("alice"),
            ("org" | "organization", _) => json!("outside"),
            ("repo" | "repository" | "name", _) => json!(repository),
            ("dependency_repo" | "depends_on_repo" | "target_repo", _) => json!("vault"),
            ("path" | "filePath" | "file_path", _) => json!("secret.txt"),
            ("ref" | "sha" | "branch" | "base" | "branch_name", _) => json!("main"),
            ("head", _) => json!("outside:topic"),
            ("tag" | "tag_name", _) => json!("v1"),
            ("state", _) => json!("all"),
            (_, "integer" | "number") => json!(1),
            (_, "boolean") => json!(false),
            (_, "array") => json!([]),
            (_, "object") => json!({}),
            _ => property["enum"].get(0).cloned().unwrap_or_else(|| json!("closes alice/vault#1")),
        };
        arguments.insert(name.clone(), value);
    }
    Value::Object(arguments)
}
