//! Nothing outside is read.

use anyhow::{Result, ensure};
use e2e::through_worker::WorkerRequest;
use serde_json::{Value, json};

use super::{Limited, SECRET};

#[tokio::test]
async fn what_is_outside_is_not_read_by_name_in_any_spelling_nor_by_id() -> Result<()> {
    let alice = Limited::start().await?;
    let attachment = &alice.attachment;
    let by_id = format!("/api/v1/repositories/{}", alice.vault);
    let mut targets: Vec<String> = [
        "/api/v1/repos/alice/vault",
        "/api/v1/repos/Alice/VAULT",
        "/api/v1//repos/alice//vault/",
        "/api/v1/repos/alice/%76ault",
        "/%61pi/v1/repos/alice/vault",
        "/api/v1/repos/alice/vault/issues",
        "/api/v1/repos/alice/vault/issues/1",
        "/api/v1/repos/alice/vault/issues/1/comments",
        "/api/v1/repos/alice/vault/issues/1/timeline",
        "/api/v1/repos/alice/vault/issues/comments",
        "/api/v1/repos/alice/vault/labels",
        "/api/v1/repos/alice/vault/branches",
        "/api/v1/repos/alice/vault/raw/secret.txt",
        "/api/v1/repos/alice/vault/media/secret.txt",
        "/api/v1/repos/alice/vault/commits",
        "/api/v1/repos/alice/vault/releases",
        "/api/v1/repos/alice/vault/releases/tags/v1",
        "/api/v1/repos/alice/vault/topics",
        "/api/v1/repos/alice/vault/notifications?all=true",
        "/api/v1/repos/alice/vault/forks",
        "/api/v1/repos/outside/hello",
        "/alice/vault/raw/branch/main/secret.txt",
        "/Alice/Vault/raw/branch/main/secret.txt",
        "/alice/vault/releases/download/v1/secret.txt",
    ]
    .map(str::to_owned)
    .into();
    targets.push(by_id);
    targets.push(format!("/attachments/{attachment}"));
    targets.push(format!("/alice/hello/attachments/{attachment}"));
    targets.push(format!("/alice/vault/attachments/{attachment}"));
    for target in &targets {
        let request = WorkerRequest::get(target);
        let door = alice.directly(&request).await?;
        ensure!(door.status < 300, "there is no door at {request}: {} {}", door.status, door.body);
        alice.refused(&request).await?;
        let head = alice.send(&WorkerRequest::new("HEAD", target)).await?;
        ensure!(head.status == 403, "HEAD {target}: {}", head.status);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_there_and_what_is_not_can_not_be_told_apart() -> Result<()> {
    let alice = Limited::start().await?;
    let there = alice.refused(&WorkerRequest::get("/api/v1/repos/alice/vault")).await?;
    let absent = alice.refused(&WorkerRequest::get("/api/v1/repos/alice/no-such-thing")).await?;
    ensure!(there == absent, "{there} is not {absent}");
    Ok(())
}

#[tokio::test]
async fn lists_and_searches_show_what_is_chosen_and_count_nothing_else() -> Result<()> {
    let alice = Limited::start().await?;
    for (target, expected) in [
        ("/api/v1/user/repos", 1),
        ("/api/v1/user/repos?limit=1&page=2", 0),
        ("/api/v1/users/alice/repos", 1),
        ("/api/v1/user/starred", 1),
        ("/api/v1/users/alice/starred", 1),
        ("/api/v1/user/subscriptions", 1),
        ("/api/v1/orgs/outside/repos", 0),
        ("/api/v1/repos/search?q=vault", 0),
        ("/api/v1/repos/search?q=canary&includeDesc=true", 0),
        ("/api/v1/repos/search?private=true", 0),
        ("/api/v1/repos/search?q=hello&limit=50", 1),
        ("/api/v1/repos/issues/search?q=canary&state=all", 0),
        ("/api/v1/repos/issues/search?owner=alice&q=greet&type=issues", 1),
        ("/api/v1/user/times", 1),
        ("/api/v1/user/stopwatches", 0),
        ("/api/v1/repos/alice/hello/forks", 0),
        ("/api/v1/repos/alice/hello/issues/1/dependencies", 0),
        ("/api/v1/repos/alice/hello/issues/1/blocks", 0),
    ] {
        let answer = alice.get(target).await?;
        ensure!(answer.status == 200, "{target}: {} {}", answer.status, answer.body);
        let body = answer.json()?;
        let items = body.as_array().or_else(|| body["data"].as_array()).map(Vec::len);
        ensure!(items == Some(expected), "{target}: {body}");
        ensure!(!answer.body.contains(SECRET) && !answer.body.contains("vault"), "{target}: {body}");
        let total = answer.header("x-total-count").unwrap_or("none");
        let whole = if target.contains("page=2") { 1 } else { expected };
        ensure!(total == whole.to_string(), "{target}: X-Total-Count is {total}");
        ensure!(answer.header("link").is_none(), "{target}: {:?}", answer.headers);
    }
    Ok(())
}

#[tokio::test]
async fn notifications_are_those_of_what_is_chosen() -> Result<()> {
    let alice = Limited::start().await?;
    let all = alice.see("/api/v1/notifications?all=true").await?;
    ensure!(all.to_string().contains(SECRET), "there is none to hide: {all}");
    let shown = alice.get("/api/v1/notifications?all=true").await?;
    ensure!(shown.status == 200 && !shown.body.contains(SECRET), "{}", shown.body);
    let (unread, of_all) =
        (alice.get("/api/v1/notifications/new").await?.json()?, alice.see("/api/v1/notifications/new").await?);
    ensure!(unread["new"].as_i64() < of_all["new"].as_i64(), "{unread} of {of_all}");
    let hidden = all.as_array().into_iter().flatten().find(|thread| thread["repository"]["id"] == alice.vault);
    let thread = format!("/api/v1/notifications/threads/{}", hidden.map_or(&Value::Null, |thread| &thread["id"]));
    alice.refused(&WorkerRequest::get(&thread)).await?;
    alice.refused(&WorkerRequest::new("PATCH", &thread)).await?;
    alice.refused(&WorkerRequest::new("PUT", "/api/v1/notifications")).await?;
    ensure!(alice.see("/api/v1/notifications/new").await? == of_all);
    Ok(())
}

#[tokio::test]
async fn a_chosen_repositorys_answers_do_not_tell_of_others() -> Result<()> {
    let alice = Limited::start().await?;
    let pull = format!("/api/v1/repos/alice/hello/pulls/{}", alice.pull);
    for target in [
        "/api/v1/repos/alice/hello/issues/1/timeline",
        "/api/v1/repos/alice/hello/issues/1/dependencies",
        "/api/v1/repos/alice/hello/issues/1/blocks",
        "/api/v1/repos/alice/hello/forks",
        "/api/v1/repos/alice/hello/pulls?state=all",
        &pull,
    ] {
        let open = alice.directly(&WorkerRequest::get(target)).await?;
        ensure!(open.body.contains(SECRET), "{target} has nothing to hide: {}", open.body);
        let answer = alice.get(target).await?;
        ensure!(answer.status == 200, "{target}: {} {}", answer.status, answer.body);
        ensure!(!answer.body.contains(SECRET) && !answer.body.contains("vault"), "{target}: {}", answer.body);
    }
    let pull = alice.get(&pull).await?.json()?;
    ensure!(pull["title"] == "From elsewhere" && pull["head"]["repo"].is_null(), "{pull}");
    ensure!(pull["base"]["repo"]["full_name"] == "alice/hello", "{pull}");
    let timeline = alice.get("/api/v1/repos/alice/hello/issues/1/timeline").await?.json()?;
    ensure!(timeline.as_array().is_some_and(|events| events.len() == 2), "both comments stay: {timeline}");
    Ok(())
}

#[tokio::test]
async fn an_attachment_is_downloaded_once_its_issue_was_read() -> Result<()> {
    let alice = Limited::start().await?;
    let issue = alice.see("/api/v1/repos/alice/hello/issues/1").await?;
    let uuid = issue["assets"][0]["uuid"].as_str().unwrap_or_default().to_owned();
    let download = format!("/attachments/{uuid}");
    alice.refused(&WorkerRequest::get(&download)).await?;
    let read = alice.get("/api/v1/repos/alice/hello/issues/1").await?.json()?;
    ensure!(read["assets"][0]["uuid"] == uuid.as_str(), "{read}");
    let answer = alice.get(&download).await?;
    ensure!(answer.status == 200 && answer.body.contains("Hello, NAME!"), "{} {}", answer.status, answer.body);
    // The same door, another file.
    alice.refused(&WorkerRequest::get(format!("/alice/hello/attachments/{}", alice.attachment))).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_chosen_is_read_as_ever() -> Result<()> {
    let alice = Limited::start().await?;
    for target in [
        "/api/v1/version",
        "/api/v1/user",
        "/api/v1/users/bob",
        "/api/v1/settings/api",
        "/api/v1/gitignore/templates",
        "/api/v1/repos/alice/hello",
        "/api/v1/repos/ALICE//%68ello/",
        "/api/v1/repos/alice/hello/contents/src/main.rs?ref=greet-by-name",
        "/api/v1/repos/alice/hello/raw/src%2Fmain.rs",
        "/api/v1/repos/alice/hello/git/trees/main?recursive=true",
        "/api/v1/repos/alice/hello/compare/main...greet-by-name",
        "/api/v1/repos/alice/hello/issues?state=all&limit=2",
        "/api/v1/repos/alice/hello/pulls/4.diff",
        "/api/v1/repos/alice/hello/releases/latest",
        "/alice/hello/raw/branch/main/README.md",
    ] {
        let answer = alice.get(target).await?;
        let open = alice.directly(&WorkerRequest::get(target)).await?;
        ensure!(answer.status == 200 && open.status == 200, "{target}: {} {}", answer.status, answer.body);
        ensure!(answer.header("x-total-count") == open.header("x-total-count"), "{target}: {:?}", answer.headers);
    }
    let rendered =
        WorkerRequest::new("POST", "/api/v1/markdown").json(&json!({"Text": "# a", "Context": "alice/hello"}));
    ensure!(alice.send(&rendered).await?.status == 200);
    let rendered =
        WorkerRequest::new("POST", "/api/v1/markdown").json(&json!({"Text": "#1", "Context": "alice/vault"}));
    alice.refused(&rendered).await?;
    Ok(())
}
