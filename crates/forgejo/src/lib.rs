//! Everything that concerns Forgejo: its OAuth2 provider as we use it, one credential per user, and the gateway for workers.
//!
//! Knows no MCP and no SQL.
#![forbid(unsafe_code)]

pub mod credential_store;
pub mod credentials;
pub mod display;
#[cfg(test)]
mod fake_forgejo;
pub mod gateway;
pub mod oauth_client;
pub mod repositories;
pub mod scope;
pub mod token_source;
