//! `admin sessions`.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use store::administration::{Administration, ListedSession};

use super::{Age, Output, time};
use crate::cli::listing::Column;
use crate::cli::state_file::now;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List sessions
    List {
        /// Only those of this user (login name or id)
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// Show a session
    Show {
        /// Its id in the list, or as much of its beginning as only one has
        session: String,
    },
    /// End a session with its worker; its client begins another
    Revoke {
        /// Its id in the list, or as much of its beginning as only one has
        session: String,
    },
    /// End sessions that were not used for some time
    Purge {
        /// For how long, such as 7d
        #[arg(long, value_name = "DURATION")]
        unused_for: Age,
    },
}

const COLUMNS: &[Column] = &[
    ("USER", "login"),
    ("ID", "id"),
    ("CLIENT", "client"),
    ("VERSION", "protocol_version"),
    ("CREATED", "created_at"),
    ("LAST SEEN", "last_seen"),
];

pub(super) async fn run(admin: &Administration, command: &Command) -> Result<Output> {
    match command {
        Command::List { user } => {
            let sessions = admin.sessions(user.as_deref()).await?;
            Ok(Output::List(sessions.iter().map(object).collect(), COLUMNS))
        }
        Command::Show { session } => Ok(Output::One(object(&find(admin, session).await?))),
        Command::Revoke { session } => {
            let session = find(admin, session).await?;
            Ok(Output::done("sessions ended", u64::from(admin.revoke_session(&session.id_hash, now()).await?)))
        }
        Command::Purge { unused_for } => {
            let now = now();
            Ok(Output::done("sessions ended", admin.purge_sessions(unused_for.before(now), now).await? as u64))
        }
    }
}

async fn find(admin: &Administration, beginning: &str) -> Result<ListedSession> {
    let sessions = admin.sessions(None).await?;
    let mut found = sessions.into_iter().filter(|session| hex::encode(session.id_hash).starts_with(beginning));
    match (found.next(), found.next()) {
        (Some(session), None) => Ok(session),
        (Some(_), Some(_)) => bail!("several sessions begin with {beginning}; write more of the id"),
        (None, _) => bail!("no session has the id {beginning} (admin sessions list)"),
    }
}

fn object(session: &ListedSession) -> Value {
    json!({
        "id": hex::encode(session.id_hash),
        "user_id": session.user.as_str(),
        "login": session.login,
        "client": session.client.as_str(),
        "grant": session.grant.as_str(),
        "protocol_version": session.protocol_version,
        "created_at": time(session.created_at),
        "last_seen": time(session.last_seen),
    })
}
