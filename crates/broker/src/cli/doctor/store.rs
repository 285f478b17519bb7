//! The database: sound, of a usable schema, sealed under the configured keys, and nobody else's to read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use store::examine::examine as look;
use store::{Database, OpenError, Server};

use super::finding::Finding;
use super::patient::Patient;
use crate::config::Keys;

const CHECK: &str = "store";

pub(super) async fn examine(patient: &Patient) -> Finding {
    match &patient.config.store.database {
        Database::Sqlite(path) => examine_file(patient, path).await,
        Database::Postgres(server) => examine_server(patient, server).await,
    }
}

async fn examine_file(patient: &Patient, path: &Path) -> Finding {
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
    let found = match examine_content(patient).await {
        Ok(found) => found,
        Err(finding) => return finding,
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let seen = format!("{shown} can be read by others (mode {mode:03o})");
        return Finding::warn(CHECK, seen, format!("chmod 600 {shown}*; it holds what users have granted"));
    }
    Finding::ok(CHECK, format!("{shown} is sound and opens with the keys; {found}"))
}

async fn examine_server(patient: &Patient, server: &Server) -> Finding {
    let found = match examine_content(patient).await {
        Ok(found) => found,
        Err(finding) => return finding,
    };
    if server.is_exposed() {
        let seen = format!(
            "{server} answers, but nothing proves that it is the right server: who stands in between reads and writes everything"
        );
        return Finding::warn(
            CHECK,
            seen,
            "set database-tls to verify-full, and database-ca-file to the authority of its certificate",
        );
    }
    Finding::ok(CHECK, format!("{server} answers and opens with the keys; {found}"))
}

/// What is in it, or what is wrong with it.
async fn examine_content(patient: &Patient) -> Result<String, Finding> {
    let database = &patient.config.store.database;
    if matches!(patient.config.store.keys, Keys::Ephemeral) {
        return Err(Finding::skip(CHECK, format!("{database} cannot be judged with ephemeral-key")));
    }
    let examined = look(database, &patient.keys).await.map_err(|error| {
        let remedy = match &error {
            OpenError::Keys { .. } => {
                "add the key that sealed it to encryption-keys (behind the first one, if that is a newer key); without it everybody has to log in again"
            }
            OpenError::Schema { .. } => "start the version that wrote it, or restore a backup from before the upgrade",
            OpenError::File { .. } | OpenError::Database { .. } => {
                "see whether store-path names the right file and whether this user may read and write it and its folder; restore a backup if it is damaged"
            }
            OpenError::Server { .. } => {
                "see whether the server runs and lets this user in from here (pg_hba.conf), and whether database-url, database-password and database-tls are right"
            }
        };
        Finding::fail(CHECK, error.to_string(), remedy)
    })?;
    if !examined.damage.is_empty() {
        let seen = format!("{database} is damaged: {}", examined.damage.join("; "));
        return Err(Finding::fail(CHECK, seen, "stop the broker and restore the last backup"));
    }
    let steps = match examined.pending_steps {
        0 => String::new(),
        number => format!("; the next start applies {number} more steps of the schema: back up first"),
    };
    Ok(format!("users: {}{steps}", examined.users))
}
