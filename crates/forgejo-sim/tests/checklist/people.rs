//! Organisations, search, administration, and what else is kept.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::caller::{Caller, EVERYTHING};

#[tokio::test]
async fn organisations_have_teams_that_open_their_repositories() {
    let caller = Caller::start().await;
    caller.call("POST", "orgs", json!({"username": "acme"}), 201).await;
    caller.call("POST", "orgs/acme/repos", json!({"name": "plans", "private": true, "auto_init": true}), 201).await;
    let bob = caller.world.tokens("bob", EVERYTHING).await.access;
    assert_eq!(caller.world.get("repos/acme/plans", &bob).await.0, StatusCode::NOT_FOUND);
    let team = json!({"name": "Developers", "permission": "write", "includes_all_repositories": true});
    let team = caller.call("POST", "orgs/acme/teams", team, 201).await;
    caller.call("PUT", &format!("teams/{}/members/bob", team["id"]), Value::Null, 204).await;
    let (_, repo) = caller.world.get("repos/acme/plans", &bob).await;
    assert_eq!(repo["permissions"], json!({"admin": false, "push": true, "pull": true}));
    assert_eq!(caller.world.get("user/orgs", &bob).await.1[0]["username"], "acme");
    assert_eq!(caller.get("orgs/acme/teams").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn search_finds_only_what_the_caller_may_see() {
    let caller = Caller::start().await;
    let bob = caller.world.tokens("bob", EVERYTHING).await.access;
    assert_eq!(caller.get("repos/search?q=priv").await["data"][0]["name"], "priv");
    assert_eq!(caller.world.get("repos/search?q=priv", &bob).await.1, json!({"ok": true, "data": []}));
    assert_eq!(caller.get("users/search?q=BO").await["data"][0]["login"], "bob");
    assert_eq!(caller.get("user/repos").await.as_array().unwrap().len(), 2);
    assert_eq!(caller.world.get("user/repos", &bob).await.1, json!([]));
    caller.call("PUT", "repos/alice/hello/topics", json!({"topics": ["demo"]}), 204).await;
    assert_eq!(caller.get("repos/search?q=demo&topic=true").await["data"][0]["name"], "hello");
}

#[tokio::test]
async fn a_search_by_user_finds_what_he_owns_and_has_a_part_in_and_exclusive_only_the_former() {
    let caller = Caller::start().await;
    caller.call("POST", "orgs", json!({"username": "acme"}), 201).await;
    caller.call("POST", "orgs/acme/repos", json!({"name": "plans", "private": true, "auto_init": true}), 201).await;
    caller.world.sim.create_repo("bob", "shared", true).unwrap();
    caller.world.sim.create_repo("bob", "public", false).unwrap();
    assert!(caller.world.sim.add_collaborator("bob", "shared", "alice", "read"));
    let alice = caller.get("user").await["id"].as_i64().unwrap();
    let names = |found: Value| -> Vec<String> {
        found["data"].as_array().unwrap().iter().map(|repo| repo["full_name"].as_str().unwrap().to_owned()).collect()
    };
    let his = names(caller.get(&format!("repos/search?uid={alice}")).await);
    assert_eq!(his, ["acme/plans", "alice/hello", "alice/priv", "bob/shared"]);
    let own = names(caller.get(&format!("repos/search?uid={alice}&exclusive=true")).await);
    assert_eq!(own, ["alice/hello", "alice/priv"]);
}

#[tokio::test]
async fn wiki_times_protections_keys_and_mirrors_are_kept() {
    let caller = Caller::start().await;
    let page = json!({"title": "Home Page", "content_base64": STANDARD.encode("hi")});
    caller.call("POST", "repos/alice/hello/wiki/new", page, 201).await;
    assert_eq!(caller.get("repos/alice/hello/wiki/page/Home-Page").await["content_base64"], STANDARD.encode("hi"));
    caller.world.sim.create_issue("alice", "hello", "alice", "work", "").unwrap();
    caller.call("POST", "repos/alice/hello/issues/1/stopwatch/start", Value::Null, 201).await;
    caller.world.sim.advance(std::time::Duration::from_mins(5));
    caller.call("POST", "repos/alice/hello/issues/1/stopwatch/stop", Value::Null, 201).await;
    assert!(caller.get("user/times").await[0]["time"].as_i64().unwrap() >= 300);
    caller.call("POST", "repos/alice/hello/branch_protections", json!({"rule_name": "main"}), 201).await;
    assert_eq!(caller.get("repos/alice/hello/branches/main").await["protected"], true);
    let key = json!({"title": "laptop", "key": "ssh-ed25519 AAAA alice"});
    caller.call("POST", "user/keys", key, 201).await;
    assert_eq!(caller.get("users/alice/keys").await[0]["title"], "laptop");
    let mirror = json!({"remote_address": "https://b.example/x.git", "interval": "8h"});
    caller.call("POST", "repos/alice/hello/push_mirrors", mirror, 200).await;
    assert_eq!(caller.get("repos/alice/hello/push_mirrors").await.as_array().unwrap().len(), 1);
    caller.call("POST", "repos/alice/hello/transfer", json!({"new_owner": "bob"}), 202).await;
    caller.call("DELETE", "repos/bob/hello", Value::Null, 403).await;
}

#[tokio::test]
async fn administration_is_for_site_administrators() {
    let caller = Caller::start().await;
    let root = caller.world.tokens("root", "").await.access;
    let alice = caller.world.sim.create_personal_token("alice", &["all"]).unwrap();
    assert_eq!(caller.world.get("admin/users", &alice).await.0, StatusCode::FORBIDDEN);
    let new = json!({"username": "dora", "email": "d@example.org", "password": "dora-password", "must_change_password": false});
    let (status, _) = caller.world.api("POST", "admin/users", &root, Some(new)).await;
    assert_eq!(status, StatusCode::CREATED);
    let tokens = caller.world.tokens("dora", "read:user").await;
    let (status, _) = caller.world.api("PATCH", "admin/users/dora", &root, Some(json!({"active": false}))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(caller.world.get("user", &tokens.access).await.0, StatusCode::FORBIDDEN);
}
