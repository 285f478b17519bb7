//! MCP and processes: everything between an authenticated HTTP request and a worker's stdin.
//!
//! Knows no OAuth, no SQL and no HTTP framework.
#![forbid(unsafe_code)]

pub mod access;
pub mod process;
pub mod profile;
pub mod reply;
pub mod session_store;
pub mod spawn;
