//! Who a client is: two of them are two addresses behind the proxy, and none chooses his own.

use anyhow::{Context as _, Result};
use e2e::broker::Settings;
use serde_json::Value;

use super::house;
use super::process::Kind;

#[tokio::test]
async fn behind_caddy_a_client_has_his_own_address_and_cannot_choose_it() -> Result<()> {
    addresses(Kind::Caddy).await
}

#[tokio::test]
async fn behind_nginx_a_client_has_his_own_address_and_cannot_choose_it() -> Result<()> {
    addresses(Kind::Nginx).await
}

async fn addresses(kind: Kind) -> Result<()> {
    for trusted in [true, false] {
        let proxies = if trusted { "127.0.0.1/32" } else { "192.0.2.1/32" };
        let Some(house) = house(kind, Settings::default().with("TRUSTED_PROXIES", proxies)).await? else {
            return Ok(());
        };
        for address in ["127.0.0.2", "127.0.0.3"] {
            let local: std::net::IpAddr = address.parse()?;
            let client = reqwest::Client::builder().no_proxy().local_address(local).build()?;
            let request = client.get(format!("{}/nowhere", house.stack.broker.url));
            let request =
                request.header("x-request-id", "chosen-by-a-client").header("x-forwarded-for", "198.51.100.7");
            let response = request.send().await?;
            let id = response.headers().get("x-request-id").context("no request id")?.to_str()?.to_owned();
            assert_ne!(id, "chosen-by-a-client");
            response.bytes().await?;
            let line: Value = serde_json::from_str(&house.stack.broker.wait_for_line(&id).await?)?;
            let expected = if trusted { address } else { "127.0.0.1" };
            assert!(line.to_string().contains(&format!("\"client.ip\":\"{expected}\"")), "trusted: {trusted}: {line}");
        }
        assert!(!house.stack.broker.log().contains("198.51.100.7"), "a client chose his address");
    }
    Ok(())
}
