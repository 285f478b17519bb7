//! `fjmcp-broker keys`: the key ring and what lies under it.

use clap::Subcommand;
use oauth::clock::{Clock as _, SystemClock};
use oauth::random::OsRandom;
use store::audit::AuditEvent;
use store::key_ring::KeyId;
use store::sealed::KeyUse;
use store::{KeyRing, Store};

use super::exit::Failure;
use crate::config::{Config, FlagValues};

mod forget;
mod rotate;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a new encryption key
    Generate,
    /// Show the keys of the ring by id, and how many stored values lie under each
    List {
        #[command(flatten)]
        settings: FlagValues,
    },
    /// Seal everything anew under the first key of the ring; works while the broker runs, and goes on where a broken-off run ended
    Rotate {
        /// Do it although no broker has been started with the first key yet
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        settings: FlagValues,
    },
    /// Give up what lies under a lost key: those users have to log in again, their sessions begin anew
    Forget {
        /// The key's id, as `keys list` and the refused start show it
        id: KeyId,
        #[command(flatten)]
        settings: FlagValues,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Generate => {
            let key = KeyRing::generate(&OsRandom::default()).map_err(anyhow::Error::new)?;
            super::print(&format!("{}\n", key.as_str()))
        }
        Command::List { settings } => with_store(settings, async |store| {
            let uses = store.key_uses().await.map_err(anyhow::Error::new)?;
            super::print(&table(&uses))
        }),
        Command::Rotate { offline, settings } => {
            with_store(settings, async |store| rotate::run(&store, *offline).await)
        }
        Command::Forget { id, settings } => with_store(settings, async |store| forget::run(&store, *id).await),
    }
}

/// Opens the configured store although keys may be missing, for the time of `work`.
fn with_store(flags: &FlagValues, work: impl AsyncFnOnce(Store) -> Result<(), Failure>) -> Result<(), Failure> {
    let config: Config = super::config::from_process(flags).outcome?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::Error::new(error).context("cannot start the runtime"))?;
    runtime.block_on(async {
        let ring = crate::app::key_ring(&config.store.keys, &OsRandom::default())?;
        let store = Store::at_lacking_keys(&config.store.database, ring.into()).await.map_err(anyhow::Error::new)?;
        let outcome = work(store.clone()).await;
        store.close().await;
        outcome
    })
}

fn table(uses: &[KeyUse]) -> String {
    let mut text = format!("{:<10} {:<22} {:>8}  UNDER IT\n", "KEY", "ROLE", "VALUES");
    for used in uses {
        let role = match used.position {
            Some(0) => "seals and opens",
            Some(_) => "opens",
            None => "MISSING from the ring",
        };
        let name = used.key.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let under: Vec<String> = used.values.iter().map(|(place, number)| format!("{place} {number}")).collect();
        text.push_str(format!("{name:<10} {role:<22} {:>8}  {}", used.total(), under.join(", ")).trim_end());
        text.push('\n');
    }
    text
}

/// Notes in the audit log what an administrator did.
async fn audit(store: &Store, event: &'static str, subject: KeyId, detail: String) -> Result<(), Failure> {
    let event = AuditEvent {
        at: SystemClock.now(),
        actor: None,
        client: None,
        event: event.into(),
        subject: Some(subject.to_string()),
        outcome: "ok".to_owned(),
        detail: Some(detail),
        duration_ms: None,
        request_id: None,
    };
    store.record_audit(&[event]).await.map_err(|error| anyhow::Error::new(error).into())
}
