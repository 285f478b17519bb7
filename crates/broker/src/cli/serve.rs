//! `fjmcp-broker serve`.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Failure;
use crate::app::Steering;
use crate::config::FlagValues;
use crate::serve::{Interrupted, Sockets, Stop, open_files};
use crate::{app, telemetry};

pub(super) fn run(flags: &FlagValues) -> Result<(), Failure> {
    let loaded = super::config::from_process(flags);
    let config = loaded.startable(std::env::var_os("PATH").as_deref())?;
    // While there is one thread only.
    let sockets = Sockets::inherited()?;
    let runtime = runtime(config.threads).context("cannot start the runtime")?;
    let (log, traces, _last_lines) =
        telemetry::install(&config.log, &config.traces, runtime.handle(), jiff::Timestamp::now)?;
    let flags = flags.clone();
    let outcome = runtime.block_on(async {
        // First of all, so that a signal during the start is not lost, and SIGHUP does not end it.
        let stop = Stop::on_signals().context("cannot watch for signals")?;
        let hangup = signal(SignalKind::hangup()).context("cannot watch for SIGHUP")?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        open_files::raise_limit();
        let read_again = Arc::new(move || super::config::from_process(&flags));
        let steering = Steering::new(config, loaded, read_again, log, hangup);
        // A second signal ends whatever is going on, the start and the last clean-up included.
        tokio::select! {
            biased;
            () = stop.at_once() => Err(Interrupted.into()),
            outcome = app::run(steering, sockets, stop.clone()) => outcome,
        }
    });
    traces.end();
    // What still runs after the grace period is not waited for; workers end with their broker.
    runtime.shutdown_background();
    outcome.map_err(Failure::Runtime)
}

/// With one thread nothing has to be handed over, so that no lock is contended and nobody is woken for it.
fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(threads).enable_all().build()
}
