//! The content that MCP servers work on: repositories, files, issues, pull requests, releases and the rest.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::client,
    caller::{Caller, EVERYTHING},
};

#[tokio::test]
async fn a_file_is_written_read_changed_and_deleted() {
    let caller = Caller::start().await;
    let path = "repos/alice/hello/contents/docs/a%20b.md";
    let body = json!({"content": STANDARD.encode("one\n"), "message": "Add", "branch": "main"});
    let made = caller.call("POST", path, body.clone(), 201).await;
    assert_eq!(made["content"]["path"], "docs/a b.md");
    caller.call("POST", path, body, 422).await;
    let file = caller.get(path).await;
    assert_eq!((file["encoding"].as_str(), &file["content"]), (Some("base64"), &json!(STANDARD.encode("one\n"))));
    let sha = file["sha"].as_str().unwrap();
    let stale = json!({"content": STANDARD.encode("two\n"), "sha": "0000", "message": "m"});
    caller.call("PUT", path, stale, 422).await;
    let changed = json!({"content": STANDARD.encode("two\n"), "sha": sha, "message": "Change", "new_branch": "topic"});
    caller.call("PUT", path, changed, 200).await;
    assert_eq!(caller.get(&format!("{path}?ref=topic")).await["content"], STANDARD.encode("two\n"));
    assert_eq!(caller.get("repos/alice/hello/raw/docs/a%20b.md?ref=topic").await, "two\n");
    assert_eq!(caller.get("repos/alice/hello/contents").await[1]["type"], "dir");
    let tree = caller.get("repos/alice/hello/git/trees/HEAD?recursive=true").await;
    assert_eq!(tree["tree"][2]["path"], "docs/a b.md");
    caller.call("DELETE", path, json!({"sha": sha, "branch": "main"}), 200).await;
    caller.call("GET", path, Value::Null, 404).await;
    let log = caller.get("repos/alice/hello/commits?sha=main").await;
    assert_eq!(log.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_issue_lives_from_creation_to_its_end() {
    let caller = Caller::start().await;
    let label = caller.call("POST", "repos/alice/hello/labels", json!({"name": "bug", "color": "#ee0701"}), 201).await;
    let milestone = caller.call("POST", "repos/alice/hello/milestones", json!({"title": "1.0"}), 201).await;
    let new = json!({"title": "It fails", "body": "badly", "labels": [label["id"]], "milestone": milestone["id"], "assignees": null});
    let issue = caller.call("POST", "repos/alice/hello/issues", new, 201).await;
    assert_eq!((&issue["number"], &issue["labels"][0]["name"]), (&json!(1), &json!("bug")));
    let comment = caller.call("POST", "repos/alice/hello/issues/1/comments", json!({"body": "Seen"}), 201).await;
    let one = format!("repos/alice/hello/issues/comments/{}", comment["id"]);
    assert_eq!(caller.call("PATCH", &one, json!({"body": "Fixed"}), 200).await["body"], "Fixed");
    assert_eq!(caller.get("repos/alice/hello/issues/1/comments").await[0]["body"], "Fixed");
    caller.call("DELETE", &one, Value::Null, 204).await;
    for (query, expected) in [
        ("labels=bug", 1),
        ("labels=other", 0),
        ("milestones=1.0", 1),
        ("q=fail", 1),
        ("q=nothing", 0),
        ("state=closed", 0),
        ("type=pulls", 0),
        ("created_by=alice", 1),
        ("assigned_by=alice", 0),
    ] {
        let found = caller.get(&format!("repos/alice/hello/issues?{query}")).await;
        assert_eq!(found.as_array().unwrap().len(), expected, "{query}");
    }
    assert_eq!(caller.get("repos/issues/search?q=fail").await[0]["repository"]["full_name"], "alice/hello");
    let edited =
        caller.call("PATCH", "repos/alice/hello/issues/1", json!({"state": "closed", "assignees": ["bob"]}), 201).await;
    assert_eq!((&edited["state"], &edited["assignees"][0]["login"]), (&json!("closed"), &json!("bob")));
    assert_eq!(caller.get("repos/alice/hello/milestones/1.0").await["closed_issues"], 1);
    caller.call("POST", "repos/alice/hello/issues", json!({"title": ""}), 422).await;
}

#[tokio::test]
async fn a_stranger_may_comment_on_a_public_issue_but_not_edit_it() {
    let caller = Caller::start().await;
    caller.world.sim.create_issue("alice", "hello", "alice", "Mine", "").unwrap();
    let bob = caller.world.tokens("bob", EVERYTHING).await.access;
    let api = async |method, path, body| caller.world.api(method, path, &bob, Some(body)).await.0;
    assert_eq!(api("POST", "repos/alice/hello/issues/1/comments", json!({"body": "hm"})).await, StatusCode::CREATED);
    assert_eq!(api("PATCH", "repos/alice/hello/issues/1", json!({"title": "Yours"})).await, StatusCode::FORBIDDEN);
    assert_eq!(api("POST", "repos/alice/priv/issues/1/comments", json!({"body": "hm"})).await, StatusCode::NOT_FOUND);
    caller.world.sim.add_collaborator("alice", "hello", "bob", "write");
    assert_eq!(api("PATCH", "repos/alice/hello/issues/1", json!({"title": "Yours"})).await, StatusCode::CREATED);
    let mine = caller.get("notifications").await;
    assert_eq!((&mine[0]["subject"]["title"], &mine[0]["unread"]), (&json!("Yours"), &json!(true)));
    let thread = format!("notifications/threads/{}", mine[0]["id"]);
    assert_eq!(caller.call("PATCH", &thread, Value::Null, 205).await["unread"], false);
    assert_eq!(caller.get("notifications/new").await["new"], 0);
}

#[tokio::test]
async fn a_pull_request_is_opened_reviewed_and_merged() {
    let caller = Caller::start().await;
    let sim = &caller.world.sim;
    sim.write_file("alice", "hello", "topic", "README.md", "# hello\n\nmore\n").unwrap();
    let new = json!({"title": "More", "head": "topic", "base": "main"});
    let pull = caller.call("POST", "repos/alice/hello/pulls", new.clone(), 201).await;
    assert_eq!((&pull["number"], &pull["additions"], &pull["mergeable"]), (&json!(1), &json!(2), &json!(true)));
    caller.call("POST", "repos/alice/hello/pulls", new, 409).await;
    let diff = caller.get("repos/alice/hello/pulls/1.diff").await;
    assert!(diff.as_str().unwrap().ends_with("@@ -1,1 +1,3 @@\n # hello\n+\n+more\n"), "{diff}");
    let files = caller.get("repos/alice/hello/pulls/1/files").await;
    assert_eq!((&files[0]["filename"], &files[0]["status"]), (&json!("README.md"), &json!("changed")));
    caller.call("POST", "repos/alice/hello/pulls/1/reviews", json!({"event": "APPROVED"}), 422).await;
    let review = json!({"event": "COMMENT", "body": "hm", "comments": [{"path": "README.md", "body": "why?", "new_position": 3}]});
    let review = caller.call("POST", "repos/alice/hello/pulls/1/reviews", review, 200).await;
    let remarks = caller.get(&format!("repos/alice/hello/pulls/1/reviews/{}/comments", review["id"])).await;
    assert_eq!(remarks[0]["body"], "why?");
    caller.call("GET", "repos/alice/hello/pulls/1/merge", Value::Null, 404).await;
    caller
        .call("POST", "repos/alice/hello/pulls/1/merge", json!({"Do": "merge", "delete_branch_after_merge": true}), 200)
        .await;
    caller.call("GET", "repos/alice/hello/pulls/1/merge", Value::Null, 204).await;
    assert_eq!(caller.get("repos/alice/hello/raw/README.md").await, "# hello\n\nmore\n");
    caller.call("GET", "repos/alice/hello/branches/topic", Value::Null, 404).await;
    let merged = caller.get("repos/alice/hello/pulls?state=closed").await;
    assert_eq!((&merged[0]["merged"], &merged[0]["merged_by"]["login"]), (&json!(true), &json!("alice")));
}

#[tokio::test]
async fn a_fork_can_send_a_pull_request() {
    let caller = Caller::start().await;
    let sim = &caller.world.sim;
    let bob = caller.world.tokens("bob", EVERYTHING).await.access;
    let (status, fork) = caller.world.api("POST", "repos/alice/hello/forks", &bob, Some(json!({}))).await;
    assert_eq!(
        (status, &fork["full_name"], &fork["parent"]["full_name"]),
        (StatusCode::ACCEPTED, &json!("bob/hello"), &json!("alice/hello"))
    );
    sim.write_file("bob", "hello", "topic", "new.txt", "new\n").unwrap();
    let new = json!({"title": "From bob", "head": "bob:topic", "base": "main"});
    let (status, pull) = caller.world.api("POST", "repos/alice/hello/pulls", &bob, Some(new)).await;
    assert_eq!((status, &pull["head"]["repo"]["full_name"]), (StatusCode::CREATED, &json!("bob/hello")));
    caller.call("POST", "repos/alice/hello/pulls/1/merge", json!({"Do": "squash"}), 200).await;
    assert_eq!(caller.get("repos/alice/hello/raw/new.txt").await, "new\n");
}

#[tokio::test]
async fn a_release_has_assets_and_archives() {
    let caller = Caller::start().await;
    let release =
        caller.call("POST", "repos/alice/hello/releases", json!({"tag_name": "v1", "name": "One"}), 201).await;
    let assets = caller.world.url(&format!("api/v1/repos/alice/hello/releases/{}/assets", release["id"]));
    let boundary = "----boundary";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nfile\r\n--{boundary}--\r\n"
    );
    let request = client().post(&assets).bearer_auth(&caller.token).body(body);
    let response =
        request.header("content-type", format!("multipart/form-data; boundary={boundary}")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let asset: Value = response.json().await.unwrap();
    assert_eq!((&asset["name"], &asset["size"]), (&json!("a.txt"), &json!(4)));
    for url in
        [asset["browser_download_url"].as_str().unwrap(), &caller.world.url("alice/hello/releases/download/v1/a.txt")]
    {
        assert_eq!(client().get(url).send().await.unwrap().text().await.unwrap(), "file");
    }
    assert_eq!(caller.get("repos/alice/hello/releases/latest").await["assets"][0]["name"], "a.txt");
    assert_eq!(caller.get("repos/alice/hello/tags").await[0]["name"], "v1");
    let draft = json!({"tag_name": "v2", "draft": true});
    caller.call("POST", "repos/alice/hello/releases", draft, 201).await;
    let bob = caller.world.tokens("bob", EVERYTHING).await.access;
    assert_eq!(caller.world.get("repos/alice/hello/releases", &bob).await.1.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_renamed_repository_is_found_by_its_old_name_until_another_takes_it() {
    let caller = Caller::start().await;
    let id = caller.get("repos/alice/hello").await["id"].clone();
    assert!(caller.world.sim.rename_repo("alice", "hello", "renamed"));
    let asked = client()
        .get(format!("{}/api/v1/repos/alice/hello/issues?state=all", caller.world.sim.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(asked.headers()["location"], "/api/v1/repos/alice/renamed/issues?state=all");
    assert_eq!(caller.get("repos/alice/renamed").await["id"], id);
    caller.world.sim.create_repo("alice", "hello", false);
    assert_ne!(caller.get("repos/alice/hello").await["id"], id);
}

#[tokio::test]
async fn a_text_that_names_an_issue_of_another_repository_is_told_there_and_a_commit_may_close_it() {
    let caller = Caller::start().await;
    caller.world.sim.create_repo("alice", "other", true);
    for title in ["One", "Two"] {
        caller.world.sim.create_issue("alice", "other", "alice", title, "");
    }
    let new = json!({"title": "See", "body": "Like alice/other#1 it fails."});
    caller.call("POST", "repos/alice/hello/issues", new, 201).await;
    let events = caller.get("repos/alice/other/issues/1/timeline").await;
    assert_eq!((&events[0]["type"], &events[0]["ref_issue"]["title"]), (&json!("issue_ref"), &json!("See")));
    let file = json!({"content": "", "message": "Secret work\n\nCloses alice/other#2"});
    caller.call("POST", "repos/alice/hello/contents/x", file, 201).await;
    assert_eq!(caller.get("repos/alice/other/issues/2").await["state"], "closed");
    let events = caller.get("repos/alice/other/issues/2/timeline").await;
    assert_eq!(events[0]["type"], "commit_ref");
    assert!(events[0]["body"].as_str().unwrap().contains("Secret work"));
    caller
        .call("POST", "repos/alice/hello/issues/1/dependencies", json!({"owner":"alice","repo":"other","index":1}), 201)
        .await;
    let events = caller.get("repos/alice/hello/issues/1/timeline").await;
    assert_eq!(events[0]["dependent_issue"]["repository"]["full_name"], "alice/other");
}

#[tokio::test]
async fn updating_or_merging_a_pull_request_writes_to_the_fork_that_it_comes_from() {
    let caller = Caller::start().await;
    caller.world.sim.create_org("team", "alice");
    caller.call("POST", "repos/alice/hello/forks", json!({"organization": "team"}), 202).await;
    caller.world.sim.write_file("team", "hello", "topic", "new", "text");
    let pull = json!({"head": "team:topic", "base": "main", "title": "Mine"});
    caller.call("POST", "repos/alice/hello/pulls", pull, 201).await;
    let before = caller.get("repos/team/hello/branches/topic").await["commit"]["id"].clone();
    caller.call("POST", "repos/alice/hello/pulls/1/update", Value::Null, 200).await;
    assert_ne!(caller.get("repos/team/hello/branches/topic").await["commit"]["id"], before);
    let merge = json!({"Do": "merge", "delete_branch_after_merge": true});
    caller.call("POST", "repos/alice/hello/pulls/1/merge", merge, 200).await;
    caller.call("GET", "repos/team/hello/branches/topic", Value::Null, 404).await;
}
