//! `admin users`.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use store::administration::{Administration, GrantFilter, ListedUser};

use super::{Output, grants, time};
use crate::cli::listing::Column;
use crate::cli::state_file::now;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List all users
    List,
    /// Show a user and his grants
    Show {
        /// Login name or id
        user: String,
    },
    /// End all grants of a user; he can connect again
    Revoke {
        /// Login name or id
        user: String,
    },
    /// End all grants of a user and forget him, with his credential at Forgejo
    Purge {
        /// Login name or id
        user: String,
    },
}

const COLUMNS: &[Column] = &[
    ("LOGIN", "login"),
    ("ID", "id"),
    ("FORGEJO", "forgejo_id"),
    ("GRANTS", "live_grants"),
    ("SESSIONS", "sessions"),
    ("LAST LOGIN", "last_login_at"),
    ("HAS TO LOG IN", "has_to_log_in"),
];

pub(super) async fn run(admin: &Administration, command: &Command) -> Result<Output> {
    match command {
        Command::List => {
            let users = admin.users().await?;
            Ok(Output::List(users.iter().map(object).collect(), COLUMNS))
        }
        Command::Show { user } => {
            let user = find(admin, user).await?;
            let filter = GrantFilter { user: Some(user.id.as_str().to_owned()), ..GrantFilter::default() };
            let grants = admin.grants(&filter).await?;
            let mut shown = object(&user);
            shown["grants"] = grants.iter().map(grants::object).collect();
            Ok(Output::One(shown))
        }
        Command::Revoke { user } => {
            let user = find(admin, user).await?;
            let ended = admin.revoke_user(&user.id, now()).await?;
            Ok(Output::done("grants ended", ended as u64))
        }
        Command::Purge { user } => {
            let user = find(admin, user).await?;
            Ok(Output::done("users forgotten", u64::from(admin.purge_user(&user.id, now()).await?)))
        }
    }
}

async fn find(admin: &Administration, name: &str) -> Result<ListedUser> {
    let mut found = admin.users_named(name).await?;
    match (found.pop(), found.is_empty()) {
        (Some(user), true) => Ok(user),
        (Some(_), false) => bail!("several users are called {name}; name one by its id (admin users list)"),
        (None, _) => bail!("no user has the login name or id {name} (admin users list)"),
    }
}

fn object(user: &ListedUser) -> Value {
    json!({
        "id": user.id.as_str(),
        "login": user.login,
        "forgejo_id": user.forgejo_id,
        "forgejo": user.issuer,
        "has_to_log_in": user.dead,
        "created_at": time(user.created_at),
        "last_login_at": time(user.last_login_at),
        "live_grants": user.live_grants,
        "sessions": user.sessions,
    })
}
