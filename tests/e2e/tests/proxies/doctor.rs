//! The doctor finds nothing wrong behind the configurations that we ship.

use anyhow::Result;
use e2e::broker::Settings;
use e2e::command::run;

use super::house;
use super::process::Kind;

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_behind_caddy() -> Result<()> {
    nothing_wrong(Kind::Caddy).await
}

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_behind_nginx() -> Result<()> {
    nothing_wrong(Kind::Nginx).await
}

async fn nothing_wrong(kind: Kind) -> Result<()> {
    let Some(house) = house(kind, Settings::default()).await? else { return Ok(()) };
    let ended = run(&["doctor"], &house.stack.settings).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    for line in ["ok    event-streams", "ok    client-addresses", "ok    public-url", "ok    hosted-clients"] {
        assert!(ended.stdout.contains(line), "{line} is not in:\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("behind the proxy 127.0.0.1"), "{}", ended.stdout);
    Ok(())
}
