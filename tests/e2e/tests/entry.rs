//! Who may enter (design §5): lists of users, organisations and teams, bound to ids, asked about again and again.

use anyhow::{Context as _, Result, ensure};
use e2e::audit::AuditFile;
use e2e::broker::Settings;
use e2e::browser::{Arrival, Browser, Page, Person};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use e2e::stack::{Stack, until_ok};
use e2e::through_worker::WorkerRequest;
use forgejo_sim::{Fault, FaultRule, NewUser, SimConfig, UserState};
use reqwest::StatusCode;
use serde_json::json;
use url::Url;

/// Nothing that a page of the broker's redirects to begins like this.
const NOWHERE: &str = "https://nowhere.invalid/";

async fn stack(audit: &AuditFile, settings: Settings) -> Result<Stack> {
    let mut all = audit.settings();
    all.extend(settings);
    Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), all).await
}

fn only(setting: &str, names: &str) -> Settings {
    Settings::default().with(setting, names).with("ENTRY_RECHECK", "1s")
}

/// The page at which a login ends that is not let in.
async fn refused(stack: &Stack, login: &str) -> Result<Page> {
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let authorization = client.authorize(None)?;
    let browser = Browser::new()?;
    let callback = format!("{}/oauth/callback", stack.broker.url);
    let back = browser.log_in(&authorization.url, &Person::named(login), &callback).await?;
    match browser.open(&back, &client.redirect_uri).await? {
        Arrival::Page(page) => Ok(page),
        Arrival::Redirect(url) => anyhow::bail!("{login} was let in: {url}"),
    }
}

fn id_of(stack: &Stack, login: &str) -> Result<i64> {
    Ok(stack.sim.accounts().iter().find(|account| account.login == login).context("no such user")?.id)
}

async fn status(mcp: &Mcp) -> Result<StatusCode> {
    Ok(mcp.send("ping", &json!({})).await?.status)
}

async fn becomes(mcp: &Mcp, expected: u16) -> Result<()> {
    until_ok(&format!("requests are answered {expected}"), async || {
        let status = status(mcp).await?;
        ensure!(status == expected, "{status}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn whoever_is_not_listed_gets_a_page_that_says_so_and_nothing_else() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, only("ALLOWED_USERS", "ALICE, carol")).await?;
    stack.log_in("alice").await.context("names have no case")?;
    let page = refused(&stack, "bob").await?;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let text = page.text();
    assert!(text.contains("bob is not among those that this server is for"), "{text}");
    assert!(text.contains("Nothing was granted"), "{text}");
    let event = audit.event("login", "not_listed").await?;
    assert_eq!(event["subject"], id_of(&stack, "bob")?.to_string());
    assert!(event["user"].is_null(), "the broker does not know him: {event}");
    Ok(())
}

#[tokio::test]
async fn a_name_that_somebody_else_has_taken_opens_nothing() -> Result<()> {
    let audit = AuditFile::new()?;
    let mut stack = stack(&audit, only("ALLOWED_USERS", "alice")).await?;
    stack.log_in("alice").await?;
    // Alice takes another name; a stranger takes hers.
    assert!(stack.sim.rename_user("alice", "alice-the-first"));
    stack.sim.create_user(NewUser::new("alice", "alice-password"));
    let page = refused(&stack, "alice").await?;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text().contains("is another one than the one that has this name now"), "{}", page.text());
    let event = audit.event("entry_name_reused", "refused").await?;
    assert_eq!(event["detail"], "user alice");
    // It is she who is meant, under whatever name, also after a restart.
    stack.broker.terminate().await?;
    stack.restart().await?;
    let first = Person { login: "alice-the-first".to_owned(), ..Person::named("alice") };
    stack.log_in_as(&first).await.context("the first alice")?;
    assert_eq!(refused(&stack, "alice").await?.status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test]
async fn a_name_that_left_the_list_for_a_start_is_bound_anew() -> Result<()> {
    let audit = AuditFile::new()?;
    let mut stack = stack(&audit, only("ALLOWED_USERS", "alice,bob")).await?;
    stack.log_in("alice").await?;
    assert!(stack.sim.rename_user("alice", "gone"));
    stack.sim.create_user(NewUser::new("alice", "alice-password"));
    for names in ["bob", "alice,bob"] {
        stack.broker.terminate().await?;
        stack.settings.set("ALLOWED_USERS", names);
        stack.restart().await?;
    }
    stack.log_in("alice").await.context("the alice of today")?;
    Ok(())
}

#[tokio::test]
async fn whoever_leaves_the_organization_is_suspended_and_goes_on_when_he_is_back() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, only("ALLOWED_ORGANIZATIONS", "Acme")).await?;
    let (mcp, client, tokens) = stack.session("bob").await?;
    assert!(WorkerRequest::get("/api/v1/user").send(&mcp).await?.status == 200);
    assert!(stack.sim.remove_team_member("acme", "Developers", "bob"));
    becomes(&mcp, 403).await?;
    let answer = mcp.send("ping", &json!({})).await?;
    assert!(answer.header("www-authenticate").is_none(), "another authorization would not help");
    let message = answer.error()?["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("bob") && message.contains("ask the operator"), "{message}");
    let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
    assert_eq!((status.as_u16(), body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
    assert_eq!(refused(&stack, "bob").await?.status, StatusCode::FORBIDDEN);
    audit.event("entry_refused", "not_listed").await?;

    // Back again, with the same tokens: nothing was consumed, nothing was ended. (The login in between has cost him his Forgejo
    // credential's refresh token, which is not needed yet.)
    stack.sim.add_team_member("acme", "Developers", "bob").context("the team")?;
    becomes(&mcp, 200).await?;
    audit.event("entry_resumed", "ok").await?;
    client.refresh(&tokens.refresh_token).await?;
    assert!(WorkerRequest::get("/api/v1/user").send(&mcp).await?.status == 200);
    Ok(())
}

#[tokio::test]
async fn a_suspended_user_of_whom_nothing_is_remembered_goes_on_once_he_is_let_in_again() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, only("ALLOWED_ORGANIZATIONS", "acme")).await?;
    let (client, tokens) = stack.log_in("bob").await?;
    assert!(stack.sim.remove_team_member("acme", "Developers", "bob"));
    let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
    assert_eq!((status.as_u16(), body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
    // He uses nothing, so that after a while nobody remembers that he was refused; his grants are suspended all the same.
    stack.broker.wait_for_line("\"entry.refused\":true").await?;
    stack.sim.add_team_member("acme", "Developers", "bob").context("the team")?;
    let tokens = client.refresh(&tokens.refresh_token).await?;
    audit.event("entry_resumed", "ok").await?;
    let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    let answer = WorkerRequest::get("/api/v1/user").send(&mcp).await?;
    assert_eq!(answer.status, 200, "his worker reaches Forgejo: {}", answer.body);
    Ok(())
}

#[tokio::test]
async fn an_open_account_page_ends_for_whoever_may_not_enter_any_more() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, only("ALLOWED_ORGANIZATIONS", "acme")).await?;
    let (client, tokens) = stack.log_in("bob").await?;
    let account = Url::parse(&format!("{}/account", stack.broker.url))?;
    let browser = Browser::new()?;
    let page = browser.page(&account, NOWHERE).await?;
    let entered = browser.submit(&page.form_to("/account/login")?, account.as_str()).await?.page()?;
    browser.log_in(&entered.url, &Person::named("bob"), account.as_str()).await?;
    let open = browser.page(&account, NOWHERE).await?;
    let end_all = open.form_to("/account/end")?;
    assert!(stack.sim.remove_team_member("acme", "Developers", "bob"));

    until_ok("the account page is refused", async || {
        let page = browser.page(&account, NOWHERE).await?;
        ensure!(page.status == StatusCode::FORBIDDEN, "{}", page.status);
        let text = page.text();
        ensure!(text.contains("bob is not among those") && text.contains("Ask the operator"), "{text}");
        Ok(())
    })
    .await?;
    audit.event("account_refused", "not_listed").await?;
    // The session is over: also a form that was open changes nothing, and the next page asks for a login.
    let left = browser.submit(&end_all, NOWHERE).await?.page()?;
    assert!(left.text().contains("You are not logged in here"), "{}", left.text());
    assert!(browser.page(&account, NOWHERE).await?.form_to("/account/login").is_ok());

    stack.sim.add_team_member("acme", "Developers", "bob").context("the team")?;
    client.refresh(&tokens.refresh_token).await.context("nothing had ended")?;
    Ok(())
}

#[tokio::test]
async fn whoever_may_not_enter_any_more_while_he_chooses_repositories_grants_nothing() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, only("ALLOWED_ORGANIZATIONS", "acme").with("ENTRY_RECHECK", "15m")).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    stack.sim.create_repo("bob", "own", false).context("no repository")?;
    let choosing = Person::named("bob").choosing(&["bob/own"]);
    let browser = Browser::new()?;
    let picker = format!("{}/oauth/repositories/", stack.broker.url);
    let at = browser.log_in(&client.authorize(None)?.url, &choosing, &picker).await?;
    let page = browser.page(&at, &client.redirect_uri).await?;
    let found = page.boxes().into_iter().find(|one| one.label.starts_with("bob/own")).context("nothing to tick")?;
    let form = page.ticked_form()?.ticking(&found.name, &found.value).with("step", "allow");
    assert!(stack.sim.remove_team_member("acme", "Developers", "bob"));

    let refused = browser.submit(&form, &client.redirect_uri).await?.page()?;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let text = refused.text();
    assert!(text.contains("bob is not among those") && text.contains("Nothing was granted"), "{text}");
    // What was found out counts for the page too.
    assert_eq!(browser.page(&at, &client.redirect_uri).await?.status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test]
async fn a_team_is_not_its_organization() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, only("ALLOWED_TEAMS", "acme/developers")).await?;
    stack.log_in("bob").await?;
    assert_eq!(refused(&stack, "alice").await?.status, StatusCode::FORBIDDEN, "she owns acme, in another team");
    Ok(())
}

#[tokio::test]
async fn a_deactivated_user_loses_access_though_his_tokens_are_renewed() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, Settings::default().with("ENTRY_RECHECK", "1s")).await?;
    for state in [UserState::Deactivated, UserState::Prohibited] {
        let (mcp, client, tokens) = stack.session("alice").await?;
        let mut stream = mcp.open_stream().await?;
        assert!(stack.sim.set_user_state("alice", state));
        becomes(&mcp, 401).await?;
        while let Ok(Some(_)) = stream.chunk().await {}
        let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
        assert_eq!((status.as_u16(), body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
        assert!(stack.sim.set_user_state("alice", UserState::Active));
        let again = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
        becomes(&mcp.with_token(&again.access_token), 200).await?;
        client.refresh(&tokens.refresh_token).await.context("any login revives all connections")?;
    }
    Ok(())
}

#[tokio::test]
async fn a_refresh_asks_again_whatever_was_known() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = stack(&audit, only("ALLOWED_TEAMS", "acme/developers").with("ENTRY_RECHECK", "15m")).await?;
    let (client, tokens) = stack.log_in("bob").await?;
    let tokens = client.refresh(&tokens.refresh_token).await?;
    assert!(stack.sim.remove_team_member("acme", "Developers", "bob"));
    let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
    assert_eq!((status.as_u16(), body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
    // What was found out then counts for requests too.
    let mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    assert_eq!(status_of(&mcp).await?, StatusCode::FORBIDDEN);
    Ok(())
}

async fn status_of(mcp: &Mcp) -> Result<StatusCode> {
    status(mcp).await
}

#[tokio::test]
async fn while_forgejo_is_away_those_who_were_let_in_stay_and_others_wait() -> Result<()> {
    let audit = AuditFile::new()?;
    let mut stack = stack(&audit, only("ALLOWED_ORGANIZATIONS", "acme")).await?;
    let (mcp, ..) = stack.session("bob").await?;
    stack.sim.add_fault(FaultRule::on("/api/", Fault::Status(503)));
    stack.broker.wait_for_line("it could not be asked whether a user may still enter").await?;
    assert_eq!(status(&mcp).await?, StatusCode::OK);
    stack.broker.terminate().await?;
    stack.restart().await?;
    let answer = mcp.send("ping", &json!({})).await?;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "after a restart nothing is known of him");
    assert!(answer.header("retry-after").is_some());
    stack.sim.clear_faults();
    becomes(&mcp, 200).await
}
