//! A read-only grant (gateway.md §3).

use anyhow::{Result, ensure};
use e2e::browser::Person;
use e2e::through_worker::WorkerRequest;
use serde_json::json;

use super::Intruder;

#[tokio::test]
async fn a_read_only_grant_writes_nothing_by_any_method() -> Result<()> {
    const WRITES: &[(&str, &str)] = &[
        ("POST", "/api/v1/repos/alice/hello/issues"),
        ("POST", "/api/v1/user/repos"),
        ("POST", "//api/v1/repos/alice//hello/issues"),
        ("POST", "/api/v1/repos/alice/hello/%69ssues"),
        ("PUT", "/api/v1/repos/alice/hello/contents/README.md"),
        ("PUT", "/api/v1/user/starred/acme/rocket"),
        ("PATCH", "/api/v1/repos/alice/hello/issues/1"),
        ("PATCH", "/api/v1/repos/alice/hello"),
        ("DELETE", "/api/v1/repos/alice/hello/branches/greet-by-name"),
        ("DELETE", "/api/v1/repos/alice/hello"),
        ("POST", "/api/v1/markdown/../repos/alice/hello/issues"),
    ];
    let alice = Intruder::with(&Person::named("alice").read_only()).await?;
    for (method, target) in WRITES {
        let request = WorkerRequest::new(method, *target).json(&json!({"title": "no", "name": "no"}));
        let status = if target.contains("..") { 400 } else { 403 };
        let message = alice.refused(&request, status).await?;
        ensure!(status == 400 || message.contains("read-only"), "{request}: {message}");
    }
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let request = WorkerRequest::get("/api/v1/repos/alice/hello/branches/greet-by-name").header(name, "DELETE");
        let (answer, _) = alice.send(&request).await?;
        ensure!(answer.status == 200, "{request}: {}", answer.status);
    }
    Ok(())
}

#[tokio::test]
async fn a_read_only_grant_reads_and_renders() -> Result<()> {
    let alice = Intruder::with(&Person::named("alice").read_only()).await?;
    for target in ["/api/v1/user/repos", "/api/v1/repos/alice/private-notes", "/api/v1/notifications"] {
        let (answer, _) = alice.send(&WorkerRequest::get(target)).await?;
        ensure!(answer.status == 200, "{target}: {} {}", answer.status, answer.body);
    }
    let (answer, _) = alice.send(&WorkerRequest::new("HEAD", "/api/v1/user/repos")).await?;
    ensure!(answer.status == 200, "HEAD: {}", answer.status);
    for (target, body) in [
        ("/api/v1/markdown", json!({"Text": "# Hello"}).to_string()),
        ("/api/v1/markup", json!({"Text": "# Hello"}).to_string()),
    ] {
        let (answer, _) = alice.send(&WorkerRequest::new("POST", target).body("application/json", body)).await?;
        ensure!(answer.status == 200 && answer.body.contains("<h1>"), "{target}: {} {}", answer.status, answer.body);
    }
    let raw = WorkerRequest::new("POST", "/api/v1/markdown/raw").body("text/plain", "# Hello");
    let (answer, _) = alice.send(&raw).await?;
    ensure!(answer.status == 200 && answer.body.contains("<h1>"), "raw: {} {}", answer.status, answer.body);
    Ok(())
}
