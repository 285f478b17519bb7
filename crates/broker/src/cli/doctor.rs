//! `fjmcp-broker doctor`: looks for everything that is easily got wrong, and says what to do.
//!
//! It works beside a running broker, and alone: then it answers at the listen address itself for a moment, so that the way through the
//! reverse proxy can be judged before the first start. It asks only addresses that the configuration names, follows no redirect, keeps at
//! most 64 KiB of an answer, and never prints a secret.

use std::io::IsTerminal as _;

use anyhow::Context as _;

use super::exit::Failure;
use crate::config::FlagValues;

mod addresses;
mod application;
mod cage;
mod certificate;
mod clock;
mod configuration;
mod endpoint;
mod events;
mod finding;
mod forgejo;
mod issuer;
mod keys;
mod listener;
mod patient;
mod public_url;
mod replicas;
mod store;
mod user_agents;
mod web;
mod worker;

use finding::{Finding, Report};
use listener::Listener;
use patient::Patient;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON document instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: FlagValues,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // It holds the same secrets as the broker, and starts a worker as that does.
    bridge::cage::harden_self().context("cannot shield the process from the worker that it starts")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let mut out = Lines { json: arguments.json, colour: std::io::stdout().is_terminal(), report: Report::default() };
    let examined = runtime.block_on(examine(&arguments.settings, &mut out));
    runtime.shutdown_background();
    examined?;
    out.end()
}

/// Every check in the order in which an operator would mend things: what a later one needs is judged before it.
async fn examine(flags: &FlagValues, out: &mut Lines) -> Result<(), Failure> {
    let loaded = super::config::from_process(flags);
    out.say(configuration::examine(&loaded))?;
    out.say(keys::examine_files(&loaded))?;
    let Ok(config) = loaded.outcome else {
        return out.say([Finding::skip("everything-else", "the configuration cannot be used")]);
    };
    let patient = Patient::new(config)?;
    out.say([keys::examine(&patient)])?;
    out.say([store::examine(&patient).await])?;
    out.say(replicas::examine(&patient).await)?;

    let forgejo = forgejo::examine(&patient).await;
    out.say(forgejo.findings)?;
    out.say([clock::examine(forgejo.clock)])?;
    if forgejo.is_reachable {
        out.say(application::examine(&patient).await)?;
        out.say(issuer::examine(&patient).await)?;
    } else {
        for check in ["forgejo-application", "forgejo-issuer"] {
            out.say([Finding::skip(check, "Forgejo is not reachable")])?;
        }
    }
    out.say(worker::examine(&patient).await)?;

    let listener = Listener::find(&patient).await;
    out.say([listener.finding(&patient)])?;
    let public = public_url::examine(&patient, &listener).await;
    let is_ours = public.is_ours;
    out.say(public.findings)?;
    if is_ours {
        out.say([addresses::examine(&patient).await])?;
        out.say([events::examine(&patient).await])?;
    } else {
        let why = public.reason.unwrap_or("the public URL does not lead to this broker");
        for check in ["client-addresses", "event-streams"] {
            out.say([Finding::skip(check, why)])?;
        }
    }
    let endpoint = endpoint::examine(&patient, &listener, public.answers).await;
    let is_good = endpoint.is_good;
    out.say([endpoint.finding])?;
    out.say([user_agents::examine(&patient, &listener, public.answers && is_good).await])?;
    listener.end().await;
    Ok(())
}

/// Prints findings as they come, or keeps them for the document.
struct Lines {
    json: bool,
    colour: bool,
    report: Report,
}

// === impl Lines ===

impl Lines {
    fn say(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<(), Failure> {
        for finding in findings {
            if !self.json {
                super::print(&finding.to_text(self.colour))?;
            }
            self.report.add(finding);
        }
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        let text = if self.json { self.report.to_json() } else { format!("\n{}\n", self.report.summary()) };
        super::print(&text)?;
        match self.report.failures() {
            0 => Ok(()),
            number => {
                Err(Failure::Runtime(anyhow::anyhow!("{number} of the checks failed; each says above what to do")))
            }
        }
    }
}
