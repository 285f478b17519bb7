//! Nothing outside is written.

use anyhow::{Result, ensure};
use e2e::through_worker::WorkerRequest;
use serde_json::{Value, json};

use super::Limited;

/// All of the other half that a write could change.
async fn outside(alice: &Limited) -> Result<Vec<Value>> {
    let mut seen = Vec::new();
    for target in [
        "/api/v1/repos/alice/vault",
        "/api/v1/repos/alice/vault/issues?state=all",
        "/api/v1/repos/alice/vault/issues/1/timeline",
        "/api/v1/repos/alice/vault/issues/1/dependencies",
        "/api/v1/repos/alice/vault/issues/1/blocks",
        "/api/v1/repos/alice/vault/branches",
        "/api/v1/repos/alice/vault/topics",
        "/api/v1/repos/outside/hello",
        "/api/v1/repos/outside/hello/branches",
        "/api/v1/notifications?all=true",
        "/api/v1/user/starred",
        "/api/v1/user/repos?limit=50",
        "/api/v1/orgs/outside/repos",
    ] {
        let mut answer = alice.see(target).await?;
        // What is chosen may change.
        if let Some(items) = answer.as_array_mut() {
            let chosen =
                |item: &Value| item["full_name"] == "alice/hello" || item["repository"]["full_name"] == "alice/hello";
            items.retain(|item| !chosen(item));
        }
        seen.push(answer);
    }
    Ok(seen)
}

#[tokio::test]
async fn no_request_writes_to_what_is_outside() -> Result<()> {
    let alice = Limited::start().await?;
    let (hello, vault, pull) = ("/api/v1/repos/alice/hello", "/api/v1/repos/alice/vault", alice.pull);
    // What a merge does that says nothing, is a setting of the repository that is merged into.
    let delete = WorkerRequest::new("PATCH", hello).json(&json!({"default_delete_branch_after_merge": true}));
    ensure!(alice.send(&delete).await?.status == 200);
    let before = outside(&alice).await?;
    let other = json!({"owner": "alice", "repo": "vault", "index": 1});
    let merge = json!({"Do": "merge", "delete_branch_after_merge": true});
    let thread = alice.see("/api/v1/notifications?all=true").await?;
    let thread = thread.as_array().into_iter().flatten().find(|thread| thread["repository"]["id"] == alice.vault);
    let thread = format!("/api/v1/notifications/threads/{}", thread.map_or(&Value::Null, |thread| &thread["id"]));
    alice
        .refused(&WorkerRequest::new("POST", format!("{hello}/pulls/{pull}/merge")).json(&json!({"Do": "merge"})))
        .await?;
    for (method, target, body) in [
        ("POST", format!("{vault}/issues"), json!({"title": "no"})),
        ("POST", "/api/v1/repos/ALICE//%56ault/issues".to_owned(), json!({"title": "no"})),
        ("PATCH", format!("{vault}/issues/1"), json!({"state": "closed"})),
        ("POST", format!("{vault}/issues/1/comments"), json!({"body": "no"})),
        ("POST", format!("{vault}/contents/no.txt"), json!({"content": "", "message": "no"})),
        ("PATCH", vault.to_owned(), json!({"private": false})),
        ("DELETE", vault.to_owned(), json!({})),
        ("DELETE", "/api/v1/repos/outside/hello".to_owned(), json!({})),
        // By what a body names.
        ("POST", format!("{hello}/issues/1/dependencies"), other.clone()),
        ("DELETE", format!("{hello}/issues/1/dependencies"), other.clone()),
        ("POST", format!("{hello}/issues/2/blocks"), other.clone()),
        ("DELETE", format!("{hello}/issues/1/blocks"), json!({"owner": "alice", "repo": "vault", "index": 2})),
        ("POST", format!("{hello}/pulls"), json!({"head": "outside:topic", "base": "main", "title": "no"})),
        // By reference: Forgejo would note it there, and close it.
        ("POST", format!("{hello}/issues"), json!({"title": "see alice/vault#1"})),
        ("POST", format!("{hello}/issues/1/comments"), json!({"body": "closes Alice/Vault#1"})),
        (
            "PATCH",
            format!("{hello}/issues/1"),
            json!({"body": format!("{}/alice/vault/issues/1", alice.stack.sim.url())}),
        ),
        ("POST", format!("{hello}/contents/a.txt"), json!({"content": "", "message": "Fixes alice/vault#1"})),
        ("POST", format!("{hello}/pulls/4/merge"), json!({"Do": "merge", "MergeMessageField": "closes alice/vault#1"})),
        ("DELETE", format!("{hello}/contents/docs/usage.md?message=closes%20alice%2Fvault%231"), Value::Null),
        // By way of a pull request's branch.
        ("POST", format!("{hello}/pulls/{pull}/update"), json!({})),
        ("POST", format!("{hello}/pulls/{pull}/merge"), merge),
        ("POST", format!("{hello}/pulls/{pull}/merge"), json!({"Do": "merge", "delete_branch_after_merge": null})),
        // By making, moving and joining repositories.
        ("POST", format!("{hello}/forks"), json!({"organization": "outside", "name": "copy"})),
        ("POST", format!("{hello}/generate"), json!({"owner": "alice", "name": "copy"})),
        ("POST", format!("{hello}/sync_fork"), json!({})),
        ("PATCH", hello.to_owned(), json!({"name": "vault2"})),
        ("POST", "/api/v1/user/repos".to_owned(), json!({"name": "new"})),
        ("POST", "/api/v1/orgs/outside/repos".to_owned(), json!({"name": "new"})),
        // By what belongs to the person.
        ("PUT", "/api/v1/notifications".to_owned(), json!({})),
        ("PATCH", thread, json!({})),
        ("DELETE", "/api/v1/user/starred/alice/vault".to_owned(), json!({})),
        ("DELETE", "/api/v1/orgs/outside".to_owned(), json!({})),
    ] {
        let request = WorkerRequest::new(method, &target);
        let request = if body.is_null() { request } else { request.json(&body) };
        alice.refused(&request).await?;
    }
    // In another form than JSON the same body would say the same to Forgejo.
    let form = WorkerRequest::new("POST", format!("{hello}/issues"));
    alice.refused(&form.body("application/x-www-form-urlencoded", "title=closes+alice%2Fvault%231")).await?;
    let after = outside(&alice).await?;
    ensure!(before == after, "outside was {before:?} and is {after:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_chosen_is_written_as_ever() -> Result<()> {
    let alice = Limited::start().await?;
    let hello = "/api/v1/repos/alice/hello";
    for (method, target, body, status) in [
        ("POST", format!("{hello}/issues"), json!({"title": "Like alice/hello#1 and nobody/nothing#2"}), 201),
        ("PATCH", format!("{hello}/issues/1"), json!({"title": "Changed"}), 201),
        ("POST", format!("{hello}/issues/1/comments"), json!({"body": "see #2"}), 201),
        ("POST", format!("{hello}/issues/1/dependencies"), json!({"owner": "alice", "repo": "hello", "index": 2}), 201),
        ("POST", format!("{hello}/contents/a.txt"), json!({"content": "", "message": "Closes #2"}), 201),
        ("POST", format!("{hello}/branches"), json!({"new_branch_name": "b", "old_branch_name": "main"}), 201),
        ("POST", format!("{hello}/pulls"), json!({"head": "alice:b", "base": "main", "title": "B"}), 201),
        ("POST", format!("{hello}/pulls/4/merge"), json!({"Do": "merge", "delete_branch_after_merge": true}), 200),
        ("PATCH", hello.to_owned(), json!({"default_delete_branch_after_merge": true}), 200),
        (
            "POST",
            format!("{hello}/pulls/{}/merge", alice.pull),
            json!({"Do": "merge", "delete_branch_after_merge": false}),
            200,
        ),
        ("PATCH", hello.to_owned(), json!({"name": "Hello", "description": "Changed"}), 200),
        ("PUT", format!("{hello}/notifications"), json!({}), 205),
    ] {
        let answer = alice.send(&WorkerRequest::new(method, &target).json(&body)).await?;
        ensure!(answer.status == status, "{method} {target} {body}: {} {}", answer.status, answer.body);
    }
    ensure!(alice.see("/api/v1/repos/alice/hello/issues/2").await?["state"] == "closed");
    let branches = alice.see("/api/v1/repos/alice/hello/branches").await?;
    ensure!(!branches.to_string().contains("greet-by-name"), "{branches}");
    Ok(())
}

#[tokio::test]
async fn a_read_only_connection_of_chosen_repositories_writes_nowhere() -> Result<()> {
    use e2e::browser::Person;
    use e2e::mcp::Mcp;

    let alice = Limited::start().await?;
    let person = Person::named("alice").read_only().choosing(&["alice/hello"]);
    let (_, tokens) = alice.stack.log_in_as(&person).await?;
    let mut worker = Mcp::new(&alice.stack.broker.url, &tokens.access_token)?;
    worker.initialize("2025-11-25").await?;
    let write = WorkerRequest::new("POST", "/api/v1/repos/alice/hello/issues").json(&json!({"title": "no"}));
    let answer = write.send(&worker).await?;
    ensure!(answer.status == 403 && answer.message().contains("read-only"), "{} {}", answer.status, answer.body);
    let read = WorkerRequest::get("/api/v1/repos/alice/hello/issues").send(&worker).await?;
    ensure!(read.status == 200, "{} {}", read.status, read.body);
    Ok(())
}
