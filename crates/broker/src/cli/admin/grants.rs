//! `admin grants`.

use anyhow::{Result, bail};
use clap::Subcommand;
use oauth::id::GrantId;
use serde_json::{Value, json};
use store::administration::{Administration, GrantFilter, ListedGrant};

use super::{Age, Output, time};
use crate::cli::listing::Column;
use crate::cli::state_file::now;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List grants
    List {
        /// Only those of this user (login name or id)
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// Only those of this client (`client_id`)
        #[arg(long, value_name = "CLIENT")]
        client: Option<String>,
        /// Those that have ended too
        #[arg(long)]
        ended: bool,
    },
    /// Show a grant
    Show {
        /// Its id
        grant: String,
    },
    /// End a grant with its tokens, sessions and workers
    Revoke {
        /// Its id
        grant: String,
    },
    /// Forget grants that ended some time ago, with their spent tokens
    Purge {
        /// How long ago they ended, such as 30d
        #[arg(long, value_name = "DURATION")]
        ended_before: Age,
    },
}

const COLUMNS: &[Column] = &[
    ("USER", "login"),
    ("CLIENT", "client_name"),
    ("ID", "id"),
    ("SCOPE", "scope"),
    ("REPOSITORIES", "repositories"),
    ("SESSIONS", "sessions"),
    ("CREATED", "created_at"),
    ("LAST USED", "last_used_at"),
    ("ENDED", "revoked_at"),
];

pub(super) async fn run(admin: &Administration, command: &Command) -> Result<Output> {
    match command {
        Command::List { user, client, ended } => {
            let filter = GrantFilter { user: user.clone(), client: client.clone(), ended: *ended };
            let grants = admin.grants(&filter).await?;
            Ok(Output::List(grants.iter().map(object).collect(), COLUMNS))
        }
        Command::Show { grant } => match admin.grant(&GrantId::from(grant.as_str())).await? {
            Some(grant) => Ok(Output::One(object(&grant))),
            None => bail!("there is no grant {grant} (admin grants list --ended)"),
        },
        Command::Revoke { grant } => {
            if !admin.revoke_grant(&GrantId::from(grant.as_str()), now()).await? {
                bail!("no grant {grant} stands (admin grants list)");
            }
            Ok(Output::done("grants ended", 1))
        }
        Command::Purge { ended_before } => {
            let now = now();
            Ok(Output::done("grants forgotten", admin.purge_grants(ended_before.before(now), now).await?))
        }
    }
}

pub(super) fn object(listed: &ListedGrant) -> Value {
    let ListedGrant { grant, login, client_metadata, sessions } = listed;
    let metadata: Value = serde_json::from_str(client_metadata).unwrap_or_default();
    json!({
        "id": grant.id.as_str(),
        "user_id": grant.user.as_str(),
        "login": login,
        "client": grant.client.as_str(),
        "client_name": metadata["client_name"],
        "scope": grant.scope.to_string(),
        "repositories": grant.limits.repositories.as_ref().map_or_else(|| Value::from("all"), |ids| json!(ids)),
        "resource": grant.resource,
        "created_at": time(grant.created_at),
        "last_used_at": time(grant.last_used_at),
        "revoked_at": time(grant.revoked_at),
        "sessions": sessions,
    })
}
