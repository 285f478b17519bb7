//! What has to outlive the process: clients, logins under way, users with their Forgejo credential, grants with their tokens, MCP
//! sessions, the audit log. SQLite in one file, or PostgreSQL.
//!
//! Every method of [`Store`] is one transaction, the sweep excepted. Whatever may happen only once (redeeming a code, rotating a refresh token,
//! taking a login or a lease) is one conditional statement, so that of any number of callers exactly one wins. The store holds no
//! clock and makes no ids: both come in as parameters.
//!
//! The texts of all queries are such that both databases take them: `$1` placeholders, times as integers, no functions in which the
//! two differ. SQLite has one writer; on PostgreSQL many processes write at once, so whoever ends a grant or issues something under it
//! locks the grant's row first, then what is below it, then the client's.
#![forbid(unsafe_code)]

pub mod account_sessions;
pub mod administration;
pub mod audit;
pub mod authorizations;
pub mod client_assertions;
pub mod clients;
pub mod codes;
pub mod connections;
pub mod copies;
pub mod credentials;
mod database;
pub mod entry_pins;
pub mod error;
pub mod examine;
pub mod grants;
pub mod key_ring;
pub mod listener;
pub mod logins;
mod migrations;
pub mod replicas;
pub mod revocations;
pub mod seal;
pub mod sealed;
pub mod selections;
pub mod sessions;
pub mod store;
pub mod sweep;
pub mod tokens;
pub mod transfer;
pub mod users;

pub use database::{Database, PoolFigures, Server, ServerError, Tls};
pub use error::StoreError;
pub use key_ring::KeyRing;
pub use migrations::SchemaState;
pub use store::{OpenError, Store};

#[cfg(test)]
mod races;
#[cfg(test)]
mod testing;
