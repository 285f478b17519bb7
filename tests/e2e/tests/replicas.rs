//! Several brokers on one database: any of them serves anybody, and each session has one owner.

mod attacks;
mod endings;
mod hops;
mod questions;

use anyhow::{Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::replicas::Replicas;
use e2e::stack::until_ok;

async fn house(number: usize) -> Result<Replicas> {
    Replicas::start(number, &children::fixture("2.34.1")?, &Settings::default()).await
}

/// Waits until all replicas together have so many workers.
async fn workers_in_all(replicas: &Replicas, number: usize) -> Result<()> {
    until_ok("the number of workers", || async {
        let workers = replicas.workers();
        ensure!(workers.iter().sum::<usize>() == number, "{workers:?}");
        Ok(())
    })
    .await
}
