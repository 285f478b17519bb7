//! What is wrong between clients and the broker.

use anyhow::Result;
use e2e::broker::{Settings, free_port};
use e2e::document_server::DocumentServer;
use e2e::front::{Front, Twist};
use e2e::stack::{KEY, Stack};
use forgejo_sim::SimConfig;

use super::{child, examine, house};

#[tokio::test]
async fn a_public_url_at_which_nobody_answers_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    // Everything else, the redirect URI included, belongs to the public URL: only its own finding counts here.
    let nowhere = format!("http://127.0.0.1:{}", free_port()?);
    let examined = examine(&house.stack.settings.clone().with("PUBLIC_URL", nowhere)).await?;
    examined.has_failed("public-url", &["no answer", "start the reverse proxy"]);
    assert_eq!(examined.status("hosted-clients").0, "skipped");
    Ok(())
}

#[tokio::test]
async fn a_public_url_that_leads_to_another_broker_or_elsewhere_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let other_port = free_port()?;
    // An old container with the same configuration, to which the proxy does not send.
    let settings = house.stack.settings.clone().with("LISTEN", format!("127.0.0.1:{other_port}"));
    examine(&settings).await?.has_failed("public-url", &["another process of this broker", "podman ps"]);

    let elsewhere = Front::start(free_port()?, house.stack.sim.url(), Twist::None).await?;
    let examined = examine(&house.stack.settings.clone().with("PUBLIC_URL", &elsewhere.url)).await?;
    examined.has_failed("public-url", &["does not lead to this broker", "HTTP 404"]);

    let redirecting = Front::start(free_port()?, "", Twist::Redirects("https://mcp.example.org".to_owned())).await?;
    let examined = examine(&house.stack.settings.clone().with("PUBLIC_URL", &redirecting.url)).await?;
    examined.has_failed("public-url", &["HTTP 301 to https://mcp.example.org/doctor", "another name or scheme"]);
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_holds_events_back_is_told() -> Result<()> {
    let house = house(Twist::Buffers, Settings::default()).await?;
    let examined = examine(&house.stack.settings).await?;
    examined.has_failed("event-streams", &["something holds streams back", "proxy_buffering off"]);
    examined.only_fails(&["event-streams"]);
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_or_names_nobody_makes_all_clients_one() -> Result<()> {
    let untrusted = house(Twist::None, Settings::default().with("TRUSTED_PROXIES", "192.0.2.1/32")).await?;
    let examined = examine(&untrusted.stack.settings).await?;
    examined.has_failed("client-addresses", &["look like one address", "add 127.0.0.1"]);
    let silent = house(Twist::DropsForwardedFor, Settings::default()).await?;
    let examined = examine(&silent.stack.settings).await?;
    examined.has_failed("client-addresses", &["does not name its clients", "set X-Forwarded-For"]);
    examined.only_fails(&["client-addresses"]);
    Ok(())
}

#[tokio::test]
async fn a_proxy_behind_which_clients_choose_their_address_is_told() -> Result<()> {
    let house = house(Twist::LeavesForwardedFor, Settings::default()).await?;
    let examined = examine(&house.stack.settings).await?;
    examined.has_failed("client-addresses", &["can choose its address", "198.51.100.7"]);
    Ok(())
}

#[tokio::test]
async fn a_firewall_that_keeps_claude_out_is_told() -> Result<()> {
    let house = house(Twist::Forbids("Claude-User"), Settings::default()).await?;
    let examined = examine(&house.stack.settings).await?;
    examined.has_failed("hosted-clients", &["`Claude-User`", "HTTP 403", "160.79.104.0/21"]);
    examined.only_fails(&["hosted-clients"]);
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_changes_host_is_told() -> Result<()> {
    let house = house(Twist::ChangesHost, Settings::default()).await?;
    let examined = examine(&house.stack.settings).await?;
    examined.has_failed("mcp-endpoint", &["another Host", "proxy_set_header Host"]);
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_only_the_operator_trusts_is_told() -> Result<()> {
    let stack = Stack::start(&child()?).await?;
    let private = DocumentServer::start().await?;
    let settings = stack.settings.clone().with("PUBLIC_URL", &private.origin).with("ENCRYPTION_KEYS", KEY);
    let examined = examine(&settings).await?;
    examined.has_failed("tls", &["certificate"]);
    let settings = settings.with("EXTRA_CA_FILE", private.ca_file().display().to_string());
    let examined = examine(&settings).await?;
    examined.has_failed("tls", &["certificate", "good only with extra-ca-file"]);
    Ok(())
}

#[tokio::test]
async fn a_broker_without_a_proxy_and_with_a_key_for_one_run_is_judged_as_far_as_it_can_be() -> Result<()> {
    let direct = Stack::start(&child()?).await?;
    let examined = examine(&direct.settings).await?;
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);
    assert!(examined.status("client-addresses").1.contains("no proxy in between"), "{}", examined.stdout);

    let more = Settings::default().with("EPHEMERAL_KEY", "true").with("ENCRYPTION_KEYS", "");
    let ephemeral = Stack::start_with(&child()?, SimConfig::default(), more).await?;
    let examined = examine(&ephemeral.settings).await?;
    examined.warns("encryption-keys", &["ephemeral-key"]);
    assert_eq!(examined.status("public-url").0, "skipped", "{}", examined.stdout);
    assert_eq!(examined.status("mcp-endpoint").0, "ok", "{}", examined.stdout);
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);
    Ok(())
}
