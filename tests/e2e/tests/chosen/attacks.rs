//! By-ways: other protocols of the same Forgejo, other spellings, other places where a repository can be named.

use anyhow::{Result, ensure};
use e2e::through_worker::WorkerRequest;
use serde_json::json;

use super::{Limited, SECRET};

#[tokio::test]
async fn no_by_way_of_forgejos_leads_out_of_what_is_chosen() -> Result<()> {
    let alice = Limited::start().await?;
    let (attachment, vault) = (&alice.attachment, alice.vault);
    let targets = [
        // Git, LFS, the wiki as a repository, packages, feeds, artifacts.
        "/alice/vault.git/info/refs?service=git-upload-pack".to_owned(),
        "/alice/vault/info/lfs/objects/0000000000000000000000000000000000000000000000000000000000000000".to_owned(),
        "/alice/vault.git/info/lfs/locks".to_owned(),
        "/alice/vault.wiki/raw/Home.md".to_owned(),
        "/alice/vault.wiki.git/HEAD".to_owned(),
        "/alice/vault.rss".to_owned(),
        "/alice/vault/rss/branch/main".to_owned(),
        "/alice/vault/commit/main.patch".to_owned(),
        "/alice/vault/actions/runs/1/artifacts/x".to_owned(),
        "/api/packages/alice/generic/x/1/secret.txt".to_owned(),
        "/api/v1/packages/alice".to_owned(),
        "/api/v1/packages/alice/generic/x/1/files".to_owned(),
        "/api/v1/repos/alice/vault/actions/artifacts".to_owned(),
        "/api/v1/repos/alice/hello/actions/artifacts".to_owned(),
        "/api/v1/repos/alice/hello/actions/runs/1/artifacts".to_owned(),
        "/api/v1/repos/alice/hello/actions/artifacts/1/zip".to_owned(),
        // Hooks and whatever else stands behind doors, also of the chosen one.
        "/api/v1/repos/alice/hello/hooks".to_owned(),
        "/api/v1/repos/alice/hello/hooks/git".to_owned(),
        "/api/v1/user/hooks".to_owned(),
        "/api/v1/user/actions/secrets".to_owned(),
        // Spellings.
        "/api/v1/repos/alice/hello/../vault".to_owned(),
        "/api/v1/repos/alice/hello/%2e%2e/vault".to_owned(),
        "/api/v1/repos/alice/hello/..%2Fvault".to_owned(),
        "/api/v1/repos/alice/hello%2F..%2Fvault".to_owned(),
        "/api/v1/repos/alice%2Fvault/contents/secret.txt".to_owned(),
        "/api/v1/repos/alice/hello/contents/..%2F..%2Fvault%2Fcontents%2Fsecret.txt".to_owned(),
        "/api/v1/repos/alice/%2576ault".to_owned(),
        "/api/v1/repos/alice/vault%00".to_owned(),
        "/api/v1/repos/alice/vault%20".to_owned(),
        "/api/v1/repos/alice/vault.git".to_owned(),
        "/api/v1/repos/alice;x/vault".to_owned(),
        "/api/v1/repos/alice/vault;x".to_owned(),
        "/api/v1/repos/alice/VA%55LT/".to_owned(),
        "/api/v1/repos/alice/hello\\..\\vault".to_owned(),
        "/api/v1/./repos/alice/vault".to_owned(),
        "/api/V1/repos/alice/vault".to_owned(),
        "/api/v1/Repos/alice/vault".to_owned(),
        "http://forgejo.invalid/api/v1/repos/alice/vault".to_owned(),
        // Ids.
        format!("/api/v1/repositories/{vault}"),
        format!("/api/v1/repositories/0{vault}"),
        format!("/api/v1/repositories/%2B{vault}"),
        format!("/api/v1/repositories/{vault}/"),
        format!("/attachments/{attachment}"),
        format!("/attachments/{}", attachment.to_uppercase()),
        format!("/alice/hello/attachments/{attachment}"),
        format!("/alice/hello/releases/download/../../attachments/{attachment}"),
        // References and comparisons.
        "/api/v1/repos/alice/hello/compare/main...outside:topic".to_owned(),
        "/api/v1/repos/alice/hello/compare/main...outside%3Atopic".to_owned(),
        "/api/v1/repos/alice/hello/compare/main...outside%2Fhello%3Atopic".to_owned(),
        "/api/v1/repos/alice/hello/pulls/main/outside:topic".to_owned(),
    ];
    for target in targets {
        let answer = alice.get(&target).await?;
        ensure!(answer.status >= 400, "{target}: {} {}", answer.status, answer.body);
        ensure!(!answer.body.contains(SECRET), "{target} tells: {}", answer.body);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_asked_of_a_chosen_repository_is_answered_from_it_alone() -> Result<()> {
    let alice = Limited::start().await?;
    let hello = "/api/v1/repos/alice/hello";
    for target in [
        format!("{hello}/contents/secret.txt?ref=outside:topic"),
        format!("{hello}/contents/secret.txt?ref={SECRET}"),
        format!("{hello}/contents/secret.txt?ref=..%2Fvault%2Fmain"),
        format!("{hello}/raw/secret.txt?ref=refs%2Fheads%2F{SECRET}"),
        format!("{hello}/archive/outside%3Atopic.zip"),
        format!("{hello}/git/trees/outside%3Atopic"),
        format!("{hello}/issues?owner=alice&repo=vault&state=all"),
        format!("{hello}/issues?repo_id={}", alice.vault),
        format!("{hello}/commits?sha=outside%3Atopic&path=..%2F..%2Fvault"),
        format!("{hello}/notifications?all=true"),
        format!("/api/v1/repos/issues/search?q={SECRET}&state=all&owner=alice&limit=0"),
        format!("/api/v1/repos/search?q={SECRET}&private=true&includeDesc=true&topic=true&limit=0"),
        "/api/v1/repos/search?q=vault&uid=1&page=99999999999999999999".to_owned(),
        "/api/v1/user/repos?limit=-1&page=-1".to_owned(),
        "/api/v1/notifications?all=true&since=0001-01-01T00:00:00Z".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let plain = WorkerRequest::new(method, &target);
            let tricked = plain.clone().header("X-Original-URL", "/api/v1/repos/alice/vault");
            let tricked = tricked.header("X-HTTP-Method-Override", "GET").header("Range", "bytes=0-");
            for request in [plain, tricked] {
                let answer = alice.send(&request).await?;
                // What was searched for may come back in an address; what was found may not.
                let told = answer.body.replace(&format!("q={SECRET}"), "");
                ensure!(!told.contains(SECRET), "{request} tells: {} {told}", answer.status);
                ensure!(!told.contains("alice/vault") && !told.contains("outside/hello"), "{request} names: {told}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn methods_and_bodies_that_hide_another_repository_are_refused() -> Result<()> {
    let alice = Limited::start().await?;
    let hello = "/api/v1/repos/alice/hello";
    let issues = format!("{hello}/issues");
    let json = "application/json";
    for request in [
        WorkerRequest::new("POST", hello).header("X-HTTP-Method-Override", "DELETE").body(json, "{}"),
        WorkerRequest::new("OPTIONS", "/api/v1/repos/alice/vault"),
        WorkerRequest::new("TRACE", "/api/v1/repos/alice/vault"),
        WorkerRequest::new("PROPFIND", "/api/v1/repos/alice/vault"),
        WorkerRequest::new("POST", "/alice/vault.git/git-upload-pack")
            .body("application/x-git-upload-pack-request", "0000"),
        WorkerRequest::new("POST", "/alice/vault.git/info/lfs/objects/batch").json(&json!({"operation": "download"})),
        WorkerRequest::new("PUT", "/api/packages/alice/generic/x/1/f").body("application/octet-stream", "x"),
        // A text that is read after its escapes, by what a byte order mark or a second object hides, in an array, nested.
        WorkerRequest::new("POST", &issues).body(json, r#"{"title":"closes alice\u002fvault\u00231"}"#),
        WorkerRequest::new("POST", &issues).body(json, "\u{feff}{\"title\":\"closes alice/vault#1\"}"),
        WorkerRequest::new("POST", &issues).body(json, r#"{"title":"t"} {"title":"closes alice/vault#1"}"#),
        WorkerRequest::new("POST", &issues).body(json, r#"{"title":"t","body":"a","BODY":"closes alice/vault#1"}"#),
        WorkerRequest::new("POST", &issues)
            .body("application/json; charset=utf-7", r#"{"title":"closes +AGE-lice/vault#1 alice/vault#1"}"#),
        WorkerRequest::new("POST", format!("{issues}/1/comments")).json(&json!({"body": "closes **alice**/`vault`#1"})),
        WorkerRequest::new("POST", format!("{issues}/1/comments")).json(&json!({"body": "Closes: ALICE/VAULT!1"})),
        WorkerRequest::new("POST", format!("{hello}/pulls"))
            .json(&json!({"head": "outside/hello:topic", "base": "main", "title": "t"})),
        WorkerRequest::new("POST", format!("{hello}/transfer")).json(&json!({"new_owner": "outside"})),
        WorkerRequest::new("PATCH", hello).json(&json!({"name": "vault"})),
    ] {
        let answer = alice.send(&request).await?;
        ensure!(answer.status >= 400, "{request}: {} {}", answer.status, answer.body);
        ensure!(!answer.body.contains(SECRET), "{request} tells: {}", answer.body);
    }
    ensure!(alice.see("/api/v1/repos/alice/vault/issues/1").await?["state"] == "open");
    ensure!(alice.see(hello).await?["full_name"] == "alice/hello");
    Ok(())
}
