//! The audit log: what is in it, and what is not.

use anyhow::{Context as _, Result, ensure};
use e2e::audit::AuditFile;
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use serde_json::{Value, json};

const PRIVATE: &str = "nobody-reads-this-but-alice";

async fn house(audit: &AuditFile) -> Result<Stack> {
    Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), audit.settings()).await
}

#[tokio::test]
async fn the_life_of_a_connection_can_be_read_from_it() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = house(&audit).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let words = fixture("2.34.1")?.words;
    let write = words.create_issue(PRIVATE);
    mcp.call_text(write.tool, &write.arguments).await?;
    mcp.send_call("get_issue_by_index", &json!({"owner": "alice", "repo": PRIVATE, "index": 1})).await?;
    let renewed = client.refresh(&tokens.refresh_token).await?;
    ensure!(!client.refresh_raw(&tokens.refresh_token).await?.0.is_success(), "the window is off");
    ensure!(!client.refresh_raw("unknown").await?.0.is_success());
    // A name that is somebody's token, and one that would deceive whoever reads the log.
    mcp.send_call(&renewed.access_token, &json!({"secret": PRIVATE})).await?;
    mcp.send_call("evil\u{202e}\n\u{1b}[31mtool", &json!({"secret": PRIVATE})).await?;
    client.revoke(&renewed.access_token).await?;
    client.revoke(&renewed.refresh_token).await?;

    let ended = audit.event("grant_ended", "revoked_by_client").await?;
    let (user, grant) = (&ended["user"], &ended["subject"]);
    for (event, outcome) in [
        ("client_registered", "ok"),
        ("consent", "as_asked"),
        ("login", "ok"),
        ("tokens_issued", "ok"),
        ("tokens_refreshed", "ok"),
        ("tokens_refused", "invalid_grant"),
        ("refresh_replayed", "refused"),
        ("tool_called", "ok"),
        ("tool_called", "error"),
        ("access_token_revoked", "ok"),
    ] {
        let found = audit.event(event, outcome).await?;
        assert!(found["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{found}");
        if !matches!(event, "client_registered" | "consent" | "tokens_refused") {
            assert_eq!((&found["user"], &found["subject"]), (user, grant), "{found}");
        }
    }
    let calls: Vec<Value> = audit.events()?.into_iter().filter(|event| event["event"] == "tool_called").collect();
    let made = calls.iter().find(|call| call["detail"] == "create_issue").context("no such call")?;
    assert!(made["duration_ms"].is_number() && made["outcome"] == "ok", "{made}");
    let names: Vec<_> = calls.iter().map(|call| call["detail"].as_str().unwrap_or_default()).collect();
    assert!(names.contains(&"evil???[31mtool"), "{names:?}");

    let text = std::fs::read_to_string(audit.path())?;
    for secret in [PRIVATE, &tokens.access_token, &tokens.refresh_token, &renewed.access_token, &renewed.refresh_token]
    {
        assert!(!text.contains(secret), "{secret} is in the audit log");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_refused_is_in_it() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = house(&audit).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let tokens = client.log_in(&Browser::new()?, &Person::named("alice").read_only()).await?;
    let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    mcp.send_call("create_issue", &json!({"title": PRIVATE})).await?;
    mcp.send_call("list_repo_hooks", &json!({"owner": PRIVATE})).await?;
    assert_eq!(audit.event("tool_called", "may_not_write").await?["detail"], "create_issue");
    assert_eq!(audit.event("tool_called", "switched_off").await?["detail"], "list_repo_hooks");
    // Somebody else's client, and a secret that is not its.
    let (status, _) =
        client.token(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "gone")]).await?;
    assert_eq!(status, 401);
    let refused = audit.event("client_refused", "invalid_client").await?;
    assert_eq!(refused["client"], "gone");
    assert!(!std::fs::read_to_string(audit.path())?.contains(PRIVATE));
    Ok(())
}
