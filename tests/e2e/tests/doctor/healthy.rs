//! Where nothing is wrong.

use anyhow::Result;
use e2e::broker::{Settings, http_client, is_alive};
use e2e::front::Twist;
use e2e::stack::{KEY, eventually};
use reqwest::StatusCode;
use rustix::process::Signal;

use super::{examine, house, run};

#[tokio::test]
async fn a_broker_behind_a_good_proxy_passes_every_check() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let examined = examine(&house.stack.settings).await?;
    for check in [
        "configuration",
        "encryption-keys",
        "store",
        "forgejo",
        "forgejo-version",
        "clock",
        "forgejo-application",
        "forgejo-issuer",
        "forgejo-login",
        "worker",
        "listener",
        "public-url",
        "client-addresses",
        "event-streams",
        "mcp-endpoint",
        "hosted-clients",
    ] {
        let (status, text) = examined.status(check);
        assert_eq!(status, "ok", "{check}: {text}\n{}", examined.stdout);
    }
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);
    // How far up the ladder workers get depends on the machine, and a public URL without TLS is good on loopback only.
    assert!(["ok", "warning"].contains(&examined.status("cage").0), "{}", examined.stdout);
    assert_eq!(examined.status("tls").0, "skipped");
    assert_eq!(examined.checks.len(), 18, "{}", examined.stdout);
    Ok(())
}

/// The proof that the doctor shows is sealed under the ring's first key.
#[tokio::test]
async fn a_broker_that_took_another_key_and_another_proxy_at_a_reload_knows_the_doctor() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    std::fs::write(&keys, format!("{KEY}\n"))?;
    let settings =
        Settings::default().with("ENCRYPTION_KEYS", "").with("ENCRYPTION_KEYS_FILE", keys.display().to_string());
    let house = house(Twist::None, settings).await?;
    std::fs::write(&keys, format!("HxweHRscGRoXGBUWExQREg8QDQ4LDAkKBwgFBgMEAQI\n{KEY}\n"))?;
    house.stack.broker.signal(Signal::HUP)?;
    house.stack.broker.wait_for_line("configuration reloaded").await?;
    let examined = examine(&house.stack.settings).await?;
    for check in ["public-url", "client-addresses", "event-streams"] {
        assert_eq!(examined.status(check).0, "ok", "{check}: {}", examined.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn people_get_a_line_for_each_check_and_a_sum() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let (code, stdout, stderr) = run(&["doctor"], &house.stack.settings).await?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("ok    forgejo-application"), "{stdout}");
    assert!(stdout.contains(" 0 failed, 1 skipped"), "{stdout}");
    Ok(())
}

/// Otherwise an examination would end the sessions of everybody who works at the time.
#[tokio::test]
async fn workers_of_the_running_broker_outlive_an_examination() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let (mcp, _client, _tokens) = house.stack.session("alice").await?;
    let workers = house.stack.broker.workers();
    assert!(!workers.is_empty());
    let examined = examine(&house.stack.settings).await?;
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);
    assert!(workers.iter().all(|pid| is_alive(*pid)), "a worker ended");
    mcp.request("tools/list", &serde_json::json!({})).await?;
    eventually("the examined workers are gone", || house.stack.broker.workers() == workers).await
}

#[tokio::test]
async fn strangers_do_not_find_what_the_doctor_asks() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let client = http_client()?;
    let url = format!("{}/doctor", house.stack.broker.url);
    for request in [client.get(&url), client.get(&url).header("authorization", "FjmcpDoctor AAAA"), client.post(&url)] {
        let status = request.send().await?.status();
        assert!([StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status), "{status}");
    }
    Ok(())
}
