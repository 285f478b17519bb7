//! MCP and processes: everything between an authenticated HTTP request and a worker's stdin.
//!
//! Knows no OAuth, no SQL and no HTTP framework.
#![forbid(unsafe_code)]

pub mod access;
pub mod cage;
pub mod launcher;
pub mod orphans;
pub mod process;
mod procfs;
pub mod profile;
pub mod reply;
pub mod session_store;
pub mod spawn;
