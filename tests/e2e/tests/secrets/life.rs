//! A whole life of the broker, with everything that it issues and everything that goes wrong, and then a search for all of it.

use anyhow::{Context as _, Result, ensure};
use e2e::audit::AuditFile;
use e2e::broker::http_client;
use e2e::browser::{Arrival, Browser, Person};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::memory::Needles;
use e2e::oauth_client::{OAuthClient, Tokens};
use e2e::stack::Stack;
use e2e::through_worker::WorkerProcess;
use forgejo_sim::{Fault, FaultRule, SimConfig};
use serde_json::json;

use super::Secrets;

/// In the arguments and the result of a tool: what users do is nobody's business either.
const PRIVATE: &str = "what-alice-wrote-is-her-own-business";

#[tokio::test]
async fn nothing_that_can_be_spent_is_in_the_log_or_in_clear_in_the_database() -> Result<()> {
    let audit = AuditFile::new()?;
    let settings = audit.settings().with("LOG_LEVEL", "trace").with("REFRESH_REPLAY_WINDOW", "120s");
    let mut stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let mut secrets = Secrets::default();

    let (client, tokens) = log_in(&stack, &mut secrets).await?;
    refused_logins(&stack, &mut secrets).await?;
    let tokens = rotations(&client, tokens, &mut secrets).await?;
    let mcp = calls(&stack, &tokens, &mut secrets).await?;
    troubles(&stack, &mcp).await?;
    secrets.add_forgejos(&stack);
    in_the_store(&stack, &secrets)?;

    client.revoke(&tokens.access_token).await?;
    client.revoke(&tokens.refresh_token).await?;
    let log = stack.broker.whole_log().await?;
    assert!(log.contains("\"level\":\"TRACE\""), "the log is as talkative as it can be");
    assert!(log.contains("http.method"), "what is no secret is found");
    secrets.add("a tool's arguments", PRIVATE);
    secrets.assert_none_in(log.as_bytes(), "the log")?;
    let events = std::fs::read(audit.path())?;
    assert!(Needles::new([&client.id]).in_bytes(&events) == [0], "what is no secret is found there too");
    secrets.assert_none_in(&events, "the audit log")?;
    in_the_store(&stack, &secrets)
}

/// A login step by step, with every text on the way noted.
async fn log_in(stack: &Stack, secrets: &mut Secrets) -> Result<(OAuthClient, Tokens)> {
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let (browser, authorization) = (Browser::new()?, client.authorize(None)?);
    secrets.add("the client's verifier", &authorization.verifier);
    secrets.add("the client's state", &authorization.state);
    let form = browser.page(&authorization.url, &client.redirect_uri).await?.the_form()?;
    for field in ["csrf", "request"] {
        secrets.add(field, &form.fields[field]);
    }
    let upstream = browser.submit(&form.approved(), stack.sim.url()).await?.redirect()?;
    note_query(secrets, &upstream, "state", "our state at Forgejo");
    note_cookies(secrets, &browser);
    let callback = format!("{}/oauth/callback", stack.broker.url);
    let callback = browser.log_in(&upstream, &Person::named("alice"), &callback).await?;
    note_query(secrets, &callback, "code", "Forgejo's code");
    let back = browser.open(&callback, &client.redirect_uri).await?.redirect()?;
    let code = client.code(&authorization, &back)?;
    secrets.add("our code", &code);
    let tokens = client.redeem(&authorization, &code).await?;
    note_tokens(secrets, &tokens);
    // Presented again at once: refused, and the refusal is logged.
    ensure!(!client.redeem_raw(&authorization, &code).await?.0.is_success());
    Ok((client, tokens))
}

/// Logins that fail on every stretch of the way.
async fn refused_logins(stack: &Stack, secrets: &mut Secrets) -> Result<()> {
    let client = OAuthClient::register(&stack.broker.url, "refused").await?;
    let callback = format!("{}/oauth/callback", stack.broker.url);
    for (path, fault) in [
        ("/login/oauth/access_token", Fault::Status(500)),
        ("/login/oauth/access_token", Fault::DropAnswer),
        ("/api/v1/user", Fault::Status(500)),
        ("/login/oauth/introspect", Fault::Reset),
    ] {
        let (browser, authorization) = (Browser::new()?, client.authorize(None)?);
        let back = browser.log_in(&authorization.url, &Person::named("bob"), &callback).await?;
        note_cookies(secrets, &browser);
        note_query(secrets, &back, "code", "Forgejo's code");
        note_query(secrets, &back, "state", "our state at Forgejo");
        stack.sim.add_fault(FaultRule::on(path, fault));
        if let Arrival::Redirect(back) = browser.open(&back, &client.redirect_uri).await? {
            secrets.add("our code", client.code(&authorization, &back)?);
        }
        stack.sim.clear_faults();
        // Once more: the state is spent.
        browser.open(&back, &client.redirect_uri).await?;
    }
    let mut forged = client.authorize(None)?.url;
    forged.query_pairs_mut().append_pair("scope", "nonsense");
    Browser::new()?.open(&forged, &client.redirect_uri).await?;
    Ok(())
}

async fn rotations(client: &OAuthClient, mut tokens: Tokens, secrets: &mut Secrets) -> Result<Tokens> {
    for _ in 0..3 {
        let spent = tokens.refresh_token.clone();
        tokens = client.refresh(&spent).await?;
        note_tokens(secrets, &tokens);
        // The answer is repeated, so it lies sealed in the store.
        client.refresh(&spent).await?;
    }
    ensure!(!client.refresh_raw(&tokens.access_token).await?.0.is_success());
    Ok(tokens)
}

/// A session with calls that succeed and calls that fail.
async fn calls(stack: &Stack, tokens: &Tokens, secrets: &mut Secrets) -> Result<Mcp> {
    let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    secrets.add("the session's id", mcp.session.clone().context("no session")?);
    let worker = WorkerProcess::of(&mcp).await?;
    for name in ["FORGEJO_ACCESS_TOKEN", "FORGEJO_TOKEN", "GITEA_ACCESS_TOKEN"] {
        if let Ok(value) = worker.real_variable(name) {
            secrets.add("the worker's capability", value);
        }
    }
    ensure!(secrets.0.iter().any(|(name, _)| name == "the worker's capability"), "no capability was seen");
    let words = fixture("2.18.0")?.words;
    let call = words.create_issue(PRIVATE);
    ensure!(mcp.call_text(call.tool, &call.arguments).await?.contains(PRIVATE));
    mcp.call_text("get_issue_by_index", &json!({"owner": "alice", "repo": PRIVATE, "index": 1})).await.ok();
    mcp.send_call("no_such_tool", &json!({"private": PRIVATE})).await?;
    Ok(mcp)
}

/// Forgejo fails and takes the grant back; a stranger tries his luck.
async fn troubles(stack: &Stack, mcp: &Mcp) -> Result<()> {
    let call = fixture("2.18.0")?.words.whoami("alice");
    for fault in [Fault::Status(500), Fault::Status(401), Fault::Reset] {
        stack.sim.add_fault(FaultRule::on("/api/v1/user", fault));
        mcp.send_call(call.tool, &call.arguments).await?;
        stack.sim.clear_faults();
    }
    let mut stream = mcp.open_stream().await?;
    let id =
        stack.settings.variables().find(|(name, _)| name.ends_with("OAUTH_CLIENT_ID")).map(|(_, id)| id.to_owned());
    ensure!(stack.sim.revoke_grant("alice", &id.context("no client id")?));
    mcp.send_call(call.tool, &call.arguments).await?;
    mcp.send_call(call.tool, &call.arguments).await?;
    while let Ok(Some(_)) = stream.chunk().await {}

    let http = http_client()?;
    let address = format!("{}/mcp?access_token=fjb_at_in-the-query", stack.broker.url);
    http.post(address).header("cookie", "fjb_consent=stolen").body("{").send().await?;
    Ok(())
}

/// Every file in the folder of the store: database, write-ahead log, whatever else lies there.
fn in_the_store(stack: &Stack, secrets: &Secrets) -> Result<()> {
    let mut logins = 0;
    for entry in std::fs::read_dir(stack.state.path())? {
        let entry = entry?;
        if entry.metadata()?.is_file() {
            let bytes = std::fs::read(entry.path())?;
            secrets.assert_none_in(&bytes, &entry.file_name().to_string_lossy())?;
            logins += Needles::new(["alice"]).in_bytes(&bytes).len();
        }
    }
    ensure!(logins > 0, "what is no secret is not found either");
    Ok(())
}

fn note_tokens(secrets: &mut Secrets, tokens: &Tokens) {
    secrets.add("an access token", &tokens.access_token);
    secrets.add("a refresh token", &tokens.refresh_token);
}

fn note_cookies(secrets: &mut Secrets, browser: &Browser) {
    for (name, value) in browser.cookies() {
        secrets.add(&format!("the cookie {name}"), value);
    }
}

fn note_query(secrets: &mut Secrets, url: &url::Url, parameter: &str, name: &str) {
    for (_, value) in url.query_pairs().filter(|(known, _)| known == parameter) {
        secrets.add(name, value);
    }
}
