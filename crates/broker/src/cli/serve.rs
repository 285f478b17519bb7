//! `fjmcp-broker serve`.

use anyhow::Context as _;

use super::exit::Failure;
use crate::config::FlagValues;
use crate::serve::{Interrupted, Stop, open_files};
use crate::{app, telemetry};

pub(super) fn run(flags: &FlagValues) -> Result<(), Failure> {
    let config = super::config::from_process(flags).outcome?;
    config.worker.find_program(std::env::var_os("PATH").as_deref())?;
    telemetry::install(&config.log, jiff::Timestamp::now)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        // First of all, so that a signal during the start is not lost.
        let stop = Stop::on_signals().context("cannot watch for signals")?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        open_files::raise_limit();
        // A second signal ends whatever is going on, the start and the last clean-up included.
        tokio::select! {
            biased;
            () = stop.at_once() => Err(Interrupted.into()),
            outcome = app::run(config, stop.clone()) => outcome,
        }
    });
    // What still runs after the grace period is not waited for; workers end with their broker.
    runtime.shutdown_background();
    outcome.map_err(Failure::Runtime)
}
