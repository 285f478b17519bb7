//! `admin clients`.

use anyhow::{Result, bail};
use clap::Subcommand;
use oauth::client::ClientKind;
use oauth::id::ClientId;
use serde_json::{Value, json};
use store::administration::{Administration, ListedClient};

use super::{Output, time};
use crate::cli::listing::Column;
use crate::cli::state_file::now;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List all clients
    List,
    /// Show what a client says of itself
    Show {
        /// Its `client_id`
        client: String,
    },
    /// End all grants of a client; users can connect it again
    Revoke {
        /// Its `client_id`
        client: String,
    },
    /// End all grants of a client and forget it; it has to register again
    Purge {
        /// Its `client_id`
        client: String,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("KIND", "kind"),
    ("GRANTS", "live_grants"),
    ("AUTHORIZED", "authorized"),
    ("LAST USED", "last_used_at"),
];

pub(super) async fn run(admin: &Administration, command: &Command) -> Result<Output> {
    match command {
        Command::List => {
            let clients = admin.clients().await?;
            Ok(Output::List(clients.iter().map(object).collect(), COLUMNS))
        }
        Command::Show { client } => {
            let id = find(admin, client).await?;
            let Some(client) = admin.client(&id).await? else { bail!("the client has gone") };
            let mut shown = object(&client);
            shown["redirect_uris"] = client.client.metadata.redirect_uris.clone().into();
            shown["client_uri"] = client.client.metadata.client_uri.clone().into();
            shown["software"] = client.client.metadata.software_id.clone().into();
            Ok(Output::One(shown))
        }
        Command::Revoke { client } => {
            let id = find(admin, client).await?;
            Ok(Output::done("grants ended", admin.revoke_client(&id, now()).await? as u64))
        }
        Command::Purge { client } => {
            let id = find(admin, client).await?;
            Ok(Output::done("clients forgotten", u64::from(admin.purge_client(&id, now()).await?)))
        }
    }
}

async fn find(admin: &Administration, name: &str) -> Result<ClientId> {
    let id = ClientId::from(name);
    if admin.client(&id).await?.is_none() {
        bail!("no client has the id {name} (admin clients list)");
    }
    Ok(id)
}

fn object(listed: &ListedClient) -> Value {
    let ListedClient { client, live_grants } = listed;
    json!({
        "id": client.id.as_str(),
        "name": client.metadata.client_name,
        "kind": match client.kind {
            ClientKind::Static => "static",
            ClientKind::MetadataDocument => "metadata document",
            ClientKind::Dynamic => "dynamic",
        },
        "authorized": client.authorized,
        "created_at": time(client.created_at),
        "last_used_at": time(client.last_used_at),
        "live_grants": live_grants,
    })
}
