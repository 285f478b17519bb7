//! The encryption keys, and who can read the files that hold secrets.

use std::os::unix::fs::PermissionsExt as _;

use super::finding::Finding;
use super::patient::Patient;
use crate::config::{Keys, Loaded};

const CHECK: &str = "encryption-keys";

pub(super) fn examine(patient: &Patient) -> Finding {
    match patient.config.store.keys {
        Keys::Configured(_) => {
            let ids: Vec<String> = patient.keys.ids().map(|id| id.to_string()).collect();
            let seals = ids.first().map(String::as_str).unwrap_or_default();
            Finding::ok(CHECK, format!("{} in the ring; {seals} seals. Is there a copy in a safe place?", ids.len()))
        }
        Keys::Ephemeral => Finding::warn(
            CHECK,
            "ephemeral-key: at every restart all users have to connect again, and this check cannot recognise a running broker",
            "run `fjmcp-broker keys generate` and set FJMCP_BROKER_ENCRYPTION_KEYS or …_FILE",
        ),
    }
}

/// Files named by settings that hold secrets.
pub(super) fn examine_files(loaded: &Loaded) -> Vec<Finding> {
    let open = loaded.secret_files().into_iter().filter_map(|(setting, path)| {
        let mode = std::fs::metadata(&path).ok()?.permissions().mode() & 0o777;
        (mode & 0o007 != 0).then(|| {
            let seen = format!("{setting}: every user of this machine can read {} (mode {mode:03o})", path.display());
            Finding::warn("secret-files", seen, format!("chmod 600 {}", path.display()))
        })
    });
    open.collect()
}
