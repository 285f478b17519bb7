//! Spellings of a path that a router reads otherwise than a filter, and places beside the API (gateway.md §1).

use anyhow::{Result, ensure};
use e2e::through_worker::WorkerRequest;

use super::Intruder;

#[tokio::test]
async fn a_door_is_known_in_every_spelling_that_forgejos_router_takes() -> Result<()> {
    const SPELLINGS: &[&str] = &[
        "//api/v1/repos/alice/hello/hooks",
        "/api//v1///repos/alice/hello/hooks",
        "/api/v1/repos/alice//hello//hooks",
        "/api/v1/repos/alice/hello/%68ooks",
        "/%61pi/v1/%72epos/alice/hello/h%6f%6fks",
        "/api/v1/repos/ALICE/Hello/hooks",
        "/api/v1/repos/alice/hello/hooks/",
        "/api/v1/repos/alice/hello/hooks//",
        "/api/v1/repos/alice/hello/hooks?page=1",
    ];
    let alice = Intruder::is("alice").await?;
    for spelling in SPELLINGS {
        let request = WorkerRequest::get(*spelling);
        let open = alice.directly(&request).await?;
        ensure!(open.status == 200, "{spelling} is no way in at Forgejo: {} {}", open.status, open.body);
        let message = alice.refused(&request, 403).await?;
        ensure!(message.contains("\"hooks\""), "{spelling}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() -> Result<()> {
    const TARGETS: &[&str] = &[
        "/api/v1/repos/alice/hello/../hello/hooks",
        "/api/v1/repos/alice/hello/./hooks",
        "/api/v1/x/../../api/v1/repos/alice/hello/hooks",
        "/api/v1/repos/alice/hello/%2e%2e/hello/hooks",
        "/api/v1/repos/alice/hello/%2E./hooks",
        "/api/v1/repos/alice/hello/x%2f..%2fhooks",
        "/api/v1/repos/alice/hello/contents/a%2F%2e%2e%2Fb",
        "/api/v1/repos/alice/hello\\hooks",
        "/api/v1/repos/alice/hello/%5c..%5chooks",
        "/api/v1/repos/alice/hello/%2568ooks",
        "/api/v1/repos/alice/hello/%252e%252e/hooks",
        "/api/v1/repos/alice/hello/hooks%00",
        "/api/v1/repos/alice/hello/%0d%0ahooks",
        "/api/v1/repos/alice/hello/%zz",
        "/api/v1/repos/alice/hello/%ff",
    ];
    let alice = Intruder::is("alice").await?;
    for target in TARGETS {
        alice.refused(&WorkerRequest::get(*target), 400).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_target_that_is_no_path_is_refused() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let hooks = "/api/v1/repos/alice/hello/hooks";
    let forgejo = alice.forgejo();
    for target in [format!("http://evil.example{hooks}"), format!("http://{forgejo}/api/v1/user")] {
        let request = WorkerRequest::get(target);
        let open = alice.directly(&request).await?;
        ensure!(open.status == 200, "{request} is no way in at Forgejo: {}", open.status);
        let message = alice.refused(&request, 400).await?;
        ensure!(message.contains("must be a path"), "{message}");
    }
    alice.refused(&WorkerRequest::new("CONNECT", forgejo.to_string()), 400).await?;
    let upgrade =
        WorkerRequest::get("/api/v1/user").header("Connection", "Upgrade, close").header("Upgrade", "websocket");
    alice.refused(&upgrade, 400).await?;
    for method in ["TRACE", "OPTIONS", "PROPFIND", "LINK"] {
        alice.refused(&WorkerRequest::new(method, "/api/v1/user"), 405).await?;
    }
    Ok(())
}

#[tokio::test]
async fn pages_logins_and_git_are_not_reached() -> Result<()> {
    const PLACES: &[&str] = &[
        "/login/oauth/authorize?client_id=a4792ccc-144e-407e-86c9-5e7d8d9c3269&response_type=code",
        "/login/oauth/userinfo",
        "/login/oauth/keys",
        "/.well-known/openid-configuration",
        "/user/login",
        "/user/settings/applications",
        "/user/settings/security",
        "/alice/hello",
        "/alice/hello/issues/1",
        "/alice/hello/info/refs?service=git-upload-pack",
        "/alice/hello.git/info/refs?service=git-upload-pack",
        "/alice/hello.git/HEAD",
        "/alice/hello/src/branch/main/README.md",
        "/alice/hello/settings/keys",
        "/-/admin",
        "/admin",
        "/metrics",
        "/v2/",
        "/api/packages/alice/generic/a/1/b",
        "/api/internal/manager/shutdown",
        "/api/swagger",
        "/api/healthz",
        "/api/v2/user",
        "/",
    ];
    let alice = Intruder::is("alice").await?;
    for place in PLACES {
        alice.refused(&WorkerRequest::get(*place), 403).await?;
    }
    for place in ["/login/oauth/access_token", "/login/oauth/introspect", "/login/oauth/grant", "/user/logout"] {
        let post = WorkerRequest::new("POST", place);
        alice.refused(&post.body("application/x-www-form-urlencoded", "grant_type=refresh_token"), 403).await?;
    }
    // A push over HTTP, and a write beside the API.
    alice.refused(&WorkerRequest::new("POST", "/alice/hello.git/git-receive-pack"), 403).await?;
    alice.refused(&WorkerRequest::new("POST", "/alice/hello/raw/branch/main/README.md"), 405).await?;
    Ok(())
}

/// Where a body ends is said once. A second request behind a body of another length stays a part of it, or nothing is sent.
#[tokio::test]
async fn a_request_hidden_in_a_body_is_not_sent() -> Result<()> {
    let hidden = "0\r\n\r\nGET /api/v1/repos/alice/hello/hooks HTTP/1.1\r\nHost: x\r\n\r\n";
    let alice = Intruder::is("alice").await?;
    let post = || WorkerRequest::new("POST", "/api/v1/markdown/raw").body("text/plain", hidden);
    for request in [
        post().header("Transfer-Encoding", "chunked").header("Content-Length", hidden.len().to_string()),
        post().header("Content-Length", hidden.len().to_string()).header("Transfer-Encoding", "chunked"),
        post().header("Transfer-Encoding", "xchunked"),
        post().header("Transfer-Encoding", "chunked, identity"),
        post().header("Content-Length", "5").header("Content-Length", hidden.len().to_string()),
        post().header("Content-Length", "+5"),
        WorkerRequest::get("/api/v1/user").body("text/plain", hidden),
    ] {
        let before = alice.stack.sim.requests().len();
        // A connection that is closed without an answer is a refusal, too.
        let _ = request.send(&alice.worker).await;
        let arrived = alice.stack.sim.requests().split_off(before);
        let leaked = arrived.iter().find(|request| request.path.contains("hooks"));
        ensure!(leaked.is_none(), "{request}: {leaked:?}");
    }
    let answer = WorkerRequest::get("/api/v1/user").send(&alice.worker).await?;
    ensure!(answer.status == 200, "the worker's way is spoilt: {}", answer.body);
    Ok(())
}

#[tokio::test]
async fn what_is_forwarded_is_written_anew() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    for (sent, forwarded) in [
        ("//api/v1/repos/alice//%70rivate-notes/", "/api/v1/repos/alice/private-notes"),
        ("/api/v1/repos/ALICE/hello?page=1&token=x&limit=2", "/api/v1/repos/ALICE/hello?page=1&limit=2"),
        ("/api/v1/repos/alice/hello/contents/docs%2Fusage.md", "/api/v1/repos/alice/hello/contents/docs%2Fusage.md"),
    ] {
        let (answer, arrived) = alice.send(&WorkerRequest::get(sent)).await?;
        ensure!(answer.status == 200, "{sent}: {} {}", answer.status, answer.body);
        let targets: Vec<_> = arrived.iter().map(|request| request.target.as_str()).collect();
        ensure!(targets == [forwarded], "{sent} was forwarded as {targets:?}");
    }
    Ok(())
}

#[tokio::test]
async fn downloads_of_the_users_own_work() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    for (target, content) in [
        ("/alice/private-notes/raw/branch/main/notes.md", "The launch is on Thursday."),
        ("/alice/private-notes/media/branch/main/notes.md", "The launch is on Thursday."),
        ("/alice/hello/releases/download/v1.0.0/hello.txt", "Hello!"),
    ] {
        let answer = WorkerRequest::get(target).send(&alice.worker).await?;
        ensure!(answer.status == 200 && answer.body.contains(content), "{target}: {} {}", answer.status, answer.body);
    }
    Ok(())
}
