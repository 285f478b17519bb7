//! Before the first start: nothing runs, and the doctor stands in for the broker.

use anyhow::Result;
use e2e::broker::{Broker, Settings};
use e2e::front::Twist;

use super::{examine, house};

#[tokio::test]
async fn the_way_through_the_proxy_is_judged_before_the_broker_runs() -> Result<()> {
    let mut house = house(Twist::None, Settings::default()).await?;
    house.stack.broker.terminate().await?;
    let examined = examine(&house.stack.settings).await?;
    for check in ["public-url", "client-addresses", "event-streams", "hosted-clients", "worker"] {
        assert_eq!(examined.status(check).0, "ok", "{check}: {}", examined.stdout);
    }
    assert!(examined.status("listener").1.contains("nothing runs"), "{}", examined.stdout);
    assert_eq!(examined.status("mcp-endpoint").0, "skipped");
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);
    // It has left the address, and nothing else, behind.
    Broker::start(&house.stack.settings).await?;
    Ok(())
}

#[tokio::test]
async fn faults_of_the_proxy_show_without_the_broker_too() -> Result<()> {
    let mut house = house(Twist::Forbids("Claude-User"), Settings::default().with("TRUSTED_PROXIES", "")).await?;
    house.stack.broker.terminate().await?;
    let examined = examine(&house.stack.settings).await?;
    examined.has_failed("hosted-clients", &["`Claude-User`"]);
    examined.has_failed("client-addresses", &["add 127.0.0.1"]);
    Ok(())
}
