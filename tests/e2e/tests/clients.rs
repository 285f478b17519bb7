//! Real clients, with the OAuth and MCP code of their own packages; one that is not installed is printed as skipped.
//!
//! `make clients-table` writes what they did into docs/clients.md; otherwise the page must say what they do.

mod table;
mod trip;

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::Person;
use e2e::children::fixture;
use e2e::clients::{Client, Clients};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::table::Row;
use self::trip::Station;

/// As many programs side by side as the machine has cores; each of them is several processes.
const AT_ONCE: usize = 2;

#[tokio::test]
async fn every_real_client_finds_its_way_in_calls_a_tool_and_goes_on_after_a_refresh() -> Result<()> {
    let installed = Clients::installed()?;
    let rows: Vec<Vec<Row>> = stream::iter(&installed.clients).map(every_mode).buffered(AT_ONCE).try_collect().await?;
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    for row in &rows {
        say(&row.to_string())?;
    }
    for absent in &installed.skipped {
        say(&format!("{}: skipped: {}", absent.name, absent.reason))?;
    }
    table::record(&rows, installed.skipped.is_empty())
}

#[tokio::test]
async fn every_real_client_takes_less_than_it_asked_for() -> Result<()> {
    // The user lowers the grant at consent (design §5); the newer habits have more tools
    let installed = Clients::installed()?;
    stream::iter(&installed.clients).map(lowered).buffered(AT_ONCE).try_collect().await
}

async fn every_mode(client: &Client) -> Result<Vec<Row>> {
    let station = Station::open(&fixture("2.18.0")?).await?;
    let alice = Person::named("alice");
    let mut rows = Vec::new();
    for mode in trip::modes(&client.name) {
        rows.push(station.visit(client, mode, &alice).await?);
    }
    Ok(rows)
}

async fn lowered(client: &Client) -> Result<()> {
    let station = Station::open(&fixture("2.34.1")?).await?;
    let mode = trip::modes(&client.name).first().context("no mode")?;
    let row = station.visit(client, mode, &Person::named("bob").read_only()).await?;
    ensure!(row.scope.as_deref().is_none_or(|told| told == "read"), "{row}");
    Ok(())
}

/// Past the test harness, which keeps what a successful test prints.
fn say(line: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "{line}").context("cannot write to stderr")
}
