//! The broker with its state in PostgreSQL: everything as with a file, several brokers on one database, and a database that is away.

mod beside;
mod commands;
mod life;
mod moving;
mod outages;
mod pooler;

use anyhow::Result;
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::stack::{Stack, postgres};
use forgejo_sim::SimConfig;
use scratch_postgres::Place;

/// A broker on a database that it shares with no other test.
async fn house() -> Result<(Stack, Place)> {
    house_with(Settings::default()).await
}

async fn house_with(more: Settings) -> Result<(Stack, Place)> {
    let place = postgres()?.database()?;
    let settings = Settings::default().with("DATABASE_URL", place.url());
    let mut settings = settings;
    settings.extend(more);
    Ok((Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?, place))
}
