//! The database: sound, of a usable schema, sealed under the configured keys, and nobody else's to read.

use std::os::unix::fs::PermissionsExt as _;

use store::examine::examine as look;
use store::{Database, OpenError};

use super::finding::Finding;
use super::patient::Patient;
use crate::config::Keys;

const CHECK: &str = "store";

pub(super) async fn examine(patient: &Patient) -> Finding {
    let path = &patient.config.store.path;
    let shown = path.display();
    let Ok(metadata) = std::fs::metadata(path) else {
        return Finding::ok(
            CHECK,
            format!("{shown} is not there yet; its folder can be written to, so the broker makes it"),
        );
    };
    if metadata.len() == 0 {
        return Finding::ok(CHECK, format!("{shown} is empty; the broker fills it at its start"));
    }
    if matches!(patient.config.store.keys, Keys::Ephemeral) {
        return Finding::skip(CHECK, format!("{shown} cannot be judged with ephemeral-key"));
    }
    let examined = match look(&Database::Sqlite(path.clone()), &patient.keys).await {
        Ok(examined) => examined,
        Err(error) => {
            let remedy = match &error {
                OpenError::Keys { .. } => {
                    "add the key that sealed it to encryption-keys (behind the first one, if that is a newer key); without it everybody has to log in again"
                }
                OpenError::Schema { .. } => {
                    "start the version that wrote it, or restore a backup from before the upgrade"
                }
                OpenError::File { .. } | OpenError::Database { .. } | OpenError::Server { .. } => {
                    "see whether store-path names the right file and whether this user may read and write it and its folder; restore a backup if it is damaged"
                }
            };
            return Finding::fail(CHECK, error.to_string(), remedy);
        }
    };
    if !examined.damage.is_empty() {
        let seen = format!("{shown} is damaged: {}", examined.damage.join("; "));
        return Finding::fail(CHECK, seen, "stop the broker and restore the last backup");
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let seen = format!("{shown} can be read by others (mode {mode:03o})");
        return Finding::warn(CHECK, seen, format!("chmod 600 {shown}*; it holds what users have granted"));
    }
    let steps = match examined.pending_steps {
        0 => String::new(),
        number => format!("; the next start applies {number} more steps of the schema: back up first"),
    };
    Finding::ok(CHECK, format!("{shown} is sound and opens with the keys; users: {}{steps}", examined.users))
}
