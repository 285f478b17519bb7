//! `/healthz`.

use std::os::unix::fs::FileExt as _;

use anyhow::Result;
use e2e::broker::{Settings, database, http_client};
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::Stack;
use reqwest::StatusCode;
use serde_json::Value;

#[tokio::test]
async fn health_names_the_build_and_the_state_of_the_store() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let response = http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await?;
    assert_eq!((body["status"].as_str(), body["store"].as_str()), (Some("ok"), Some("ok")));
    let version = run(&["version"], &Settings::default()).await?.stdout;
    for member in ["version", "revision", "build_date"] {
        let value = body[member].as_str().unwrap_or_default();
        assert!(!value.is_empty() && version.contains(value), "{member} in {body} is not in {version}");
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_was_destroyed_under_the_broker_is_seen() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.log_in("alice").await?;
    let main = database(stack.state.path());
    let companion = |suffix: &str| stack.state.path().join(format!("broker.db-{suffix}"));
    std::fs::write(&main, vec![b'x'; usize::try_from(std::fs::metadata(&main)?.len())?])?;
    std::fs::write(companion("wal"), b"")?;
    // The index is mapped into the broker's memory: overwritten, not shortened.
    std::fs::File::options().write(true).open(companion("shm"))?.write_all_at(&[0x55; 136], 0)?;

    let response = http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = response.json().await?;
    assert_eq!((body["status"].as_str(), body["store"].as_str()), (Some("unavailable"), Some("unavailable")));
    Ok(())
}
