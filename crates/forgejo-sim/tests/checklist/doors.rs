//! §4.10 and §7.3: the doors stand open, so that a test can show the gateway shut.

use forgejo_sim::{Profile, SimConfig};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{browser::client, world::World};

/// Sends a request line as it is and answers the status line and body.
async fn raw(world: &World, target: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(world.sim.address()).await.unwrap();
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn s4_10_a_site_administrators_token_obeys_sudo_whatever_its_scope() {
    let world = World::start(Profile::V11).await;
    let root = world.tokens("root", "read:user").await.access;
    assert_eq!(world.get("user?sudo=alice", &root).await.1["login"], "alice");
    let request = client().get(world.url("api/v1/user")).bearer_auth(&root).header("sudo", "bob");
    assert_eq!(request.send().await.unwrap().json::<serde_json::Value>().await.unwrap()["login"], "bob");
    let alice = world.tokens("alice", "read:user").await.access;
    let (status, body) = world.get("user?sudo=bob", &alice).await;
    assert_eq!(
        (status, body["message"].as_str()),
        (StatusCode::FORBIDDEN, Some("Only administrators allowed to sudo."))
    );
}

#[tokio::test]
async fn s4_10_query_and_form_tokens_win_over_the_authorization_header() {
    let world = World::start(Profile::V11).await;
    let alice = world.tokens("alice", "").await.access;
    let bob = world.tokens("bob", "").await.access;
    for name in ["token", "access_token"] {
        assert_eq!(world.get(&format!("user?{name}={bob}"), &alice).await.1["login"], "bob");
        assert_eq!(world.get(&format!("user?{name}={bob}"), "").await.1["login"], "bob");
        // Only alice may see the repository, and the form decides who asks.
        let form = client().put(world.url("api/v1/user/starred/alice/priv")).bearer_auth(&alice);
        assert_eq!(form.form(&[(name, bob.as_str())]).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        let form = client().put(world.url("api/v1/user/starred/alice/priv")).bearer_auth(&bob);
        assert_eq!(form.form(&[(name, alice.as_str())]).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    let shut = World::with(SimConfig { disable_query_auth_token: true, ..SimConfig::default() }).await;
    let token = shut.tokens("alice", "").await.access;
    assert_eq!(shut.get(&format!("user?token={token}"), "").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn s4_10_read_scopes_hand_out_a_runner_registration_token() {
    let world = World::start(Profile::V11).await;
    let token = world.tokens("alice", "read:repository read:user").await.access;
    for path in ["repos/alice/hello/actions/runners/registration-token", "user/actions/runners/registration-token"] {
        let (status, body) = world.get(path, &token).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let runner = body["token"].as_str().unwrap();
        assert_eq!(world.get(path, &token).await.1["token"], runner);
        assert!(world.sim.issued_secrets().iter().any(|secret| secret.value == runner));
    }
}

#[tokio::test]
async fn s4_10_any_existing_repository_serves_any_attachment_that_the_user_may_read() {
    let world = World::start(Profile::V11).await;
    let issue = world.sim.create_issue("alice", "priv", "alice", "secret", "").unwrap();
    let uuid = world.sim.attach_to_issue("alice", "priv", issue, "plan.txt", "the plan").unwrap();
    let alice = world.tokens("alice", "read:repository").await.access;
    let bob = world.tokens("bob", "read:repository").await.access;
    for path in [
        format!("attachments/{uuid}"),
        format!("alice/hello/attachments/{uuid}"),
        format!("alice/priv/attachments/{uuid}"),
    ] {
        let get = async |token: &str| client().get(world.url(&path)).bearer_auth(token).send().await.unwrap();
        assert_eq!(get(&alice).await.text().await.unwrap(), "the plan", "{path}");
        assert_eq!(get(&bob).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let nowhere = client().get(world.url(&format!("alice/nothing/attachments/{uuid}"))).bearer_auth(&alice);
    assert_eq!(nowhere.send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn s4_10_raw_archive_and_git_paths_take_the_oauth_token() {
    let world = World::start(Profile::V11).await;
    let token = world.tokens("alice", "read:repository").await.access;
    for (path, start) in [
        ("alice/priv/raw/branch/main/README.md", &b"# priv"[..]),
        ("alice/priv/archive/main.zip", b"PK\x03\x04"),
        ("alice/priv/archive/main.tar.gz", b"\x1f\x8b"),
        ("alice/priv.git/info/refs?service=git-upload-pack", b"001e# service=git-upload-pack\n0000"),
    ] {
        let anonymous = client().get(world.url(path)).send().await.unwrap();
        assert_eq!(anonymous.status(), StatusCode::NOT_FOUND, "{path}");
        let response = client().get(world.url(path)).bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(response.bytes().await.unwrap().starts_with(start), "{path}");
    }
}

#[tokio::test]
async fn s4_10_the_router_is_lenient() {
    let world = World::start(Profile::V11).await;
    let token = world.tokens("alice", "read:repository").await.access;
    for target in [
        "/api/v1/repos/alice//priv",
        "//api/v1/repos/alice/priv",
        "/api/v1/repos/alice/%70riv",
        "/api/v1/repos/ALICE/Priv",
        "/api/v1/repos/alice/priv/",
        "http://evil.example/api/v1/repos/alice/priv",
    ] {
        let answer = raw(&world, target, &token).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("\"full_name\":\"alice/priv\""),
            "{target}: {answer}"
        );
    }
    for target in [
        "/api/v1/repos/alice/hello/../priv",
        "/api/v1/repos/alice/hello/%2e%2e/priv",
        "/api/v1/repos/alice/hello/..%2Fpriv",
        "/api/v1/./repos/alice/priv",
    ] {
        let answer = raw(&world, target, &token).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn s4_10_rendering_works_with_read_scopes() {
    let world = World::start(Profile::V11).await;
    let token = world.tokens("alice", "read:issue").await.access;
    for path in ["markdown", "markup"] {
        let (status, body) = world.api("POST", path, &token, Some(json!({"Text": "# Hi <b>"}))).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, Some("<h1>Hi &lt;b&gt;</h1>\n")));
    }
    let request = client().post(world.url("api/v1/markdown/raw")).bearer_auth(&token).body("- one\n- two");
    let html = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(html, "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n");
}

#[tokio::test]
async fn s4_10_hooks_show_their_stored_authorization_header() {
    let world = World::start(Profile::V11).await;
    let token = world.tokens("alice", "write:repository").await.access;
    let hook = json!({
        "type": "forgejo", "config": {"url": "http://127.0.0.1:9/", "content_type": "json"},
        "authorization_header": "Bearer of-another-service", "active": true,
    });
    let (status, _) = world.api("POST", "repos/alice/hello/hooks", &token, Some(hook)).await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, hooks) = world.get("repos/alice/hello/hooks", &token).await;
    assert_eq!(hooks[0]["authorization_header"], "Bearer of-another-service");
}
