//! What is wrong at Forgejo, or in what the configuration says of it.

use anyhow::Result;
use e2e::broker::{Settings, free_port};
use e2e::front::{Front, Twist};
use forgejo_sim::NewApp;

use super::{examine, house};

#[tokio::test]
async fn a_forgejo_that_does_not_answer_is_told_and_nothing_is_concluded_from_it() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let settings = house.stack.settings.clone().with("FORGEJO_URL", format!("http://127.0.0.1:{}", free_port()?));
    let examined = examine(&settings).await?;
    examined.has_failed("forgejo", &["no answer", "forgejo-internal-url"]);
    assert_eq!(examined.status("forgejo-application").0, "skipped");
    assert_eq!(examined.status("worker").0, "ok", "{}", examined.stdout);
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_not_forgejos_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let examined = examine(&house.stack.settings.clone().with("FORGEJO_URL", &house.stack.broker.url)).await?;
    examined.has_failed("forgejo", &["HTTP 404", "ROOT_URL"]);
    Ok(())
}

#[tokio::test]
async fn an_unknown_client_id_and_a_wrong_secret_are_told_apart() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let settings = &house.stack.settings;
    let unknown = settings.clone().with("FORGEJO_OAUTH_CLIENT_ID", "3f0a1a94-0000-4000-8000-000000000000");
    examine(&unknown).await?.has_failed("forgejo-application", &["knows no application", "forgejo-app create"]);
    let wrong = settings.clone().with("FORGEJO_OAUTH_CLIENT_SECRET", "gto_certainly-not-the-secret");
    examine(&wrong).await?.has_failed("forgejo-application", &["the client secret is not its", "new secret"]);
    Ok(())
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_registered_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let application = house.stack.sim.create_app(NewApp::new("other", "https://elsewhere.example.org/oauth/callback"));
    let settings = house.stack.settings.clone();
    let settings = settings.with("FORGEJO_OAUTH_CLIENT_ID", &application.client_id);
    let examined = examine(&settings.with("FORGEJO_OAUTH_CLIENT_SECRET", &application.client_secret)).await?;
    let callback = format!("{}/oauth/callback", house.stack.broker.url);
    examined.has_failed("forgejo-application", &["not among the redirect URIs", &callback]);
    examined.only_fails(&["forgejo-application"]);
    Ok(())
}

#[tokio::test]
async fn a_public_application_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let callback = format!("{}/oauth/callback", house.stack.broker.url);
    let application = house.stack.sim.create_app(NewApp::new("public", callback).public());
    let settings = house.stack.settings.clone();
    let settings = settings.with("FORGEJO_OAUTH_CLIENT_ID", &application.client_id);
    let examined = examine(&settings.with("FORGEJO_OAUTH_CLIENT_SECRET", &application.client_secret)).await?;
    examined.has_failed("forgejo-application", &["public", "Confidential client"]);
    Ok(())
}

#[tokio::test]
async fn a_forgejo_that_calls_itself_otherwise_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let other_way = Front::start(free_port()?, house.stack.sim.url(), Twist::None).await?;
    let examined = examine(&house.stack.settings.clone().with("FORGEJO_URL", &other_way.url)).await?;
    examined.has_failed("forgejo-issuer", &[house.stack.sim.url(), &other_way.url, "ROOT_URL"]);
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_off_and_an_old_version_are_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let sim = house.stack.sim.url();
    for (seconds, words) in [(600, "ahead of this machine's"), (-600, "behind this machine's")] {
        let shifted = Front::start(free_port()?, sim, Twist::ShiftsDate(seconds)).await?;
        let settings = house.stack.settings.clone().with("FORGEJO_INTERNAL_URL", &shifted.url);
        let examined = examine(&settings).await?;
        examined.has_failed("clock", &[words, "timedatectl"]);
        examined.only_fails(&["clock"]);
    }
    let old = Front::start(free_port()?, sim, Twist::Version("11.0.13+gitea-1.22.0")).await?;
    let examined = examine(&house.stack.settings.clone().with("FORGEJO_INTERNAL_URL", &old.url)).await?;
    examined.warns("forgejo-version", &["11.0.13", "refresh tokens were not bound", "11.0.14 or later"]);
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);
    Ok(())
}
