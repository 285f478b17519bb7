//! MCP and processes: everything between an authenticated HTTP request and a worker's stdin.
//!
//! Knows no OAuth, no SQL and no HTTP framework.
#![forbid(unsafe_code)]

// The face.
pub mod access;
pub mod bridge;
pub mod config;
pub mod observer;
pub mod replica;
pub mod reply;
pub mod session_store;
pub mod starter;
pub mod tools;

// Running programs.
pub mod cage;
pub mod launcher;
pub mod orphans;
pub mod process;
mod procfs;
pub mod profile;
pub mod spawn;

// Messages.
mod call;
mod envelope;
mod errand;
mod event_log;
mod exchange;
mod frame;
mod meta;
mod pending;
mod questions;
mod refusal;
mod request_state;
mod scrub;
mod sse;

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(feature = "pieces")]
pub mod pieces;

// Workers.
mod breaker;
mod desk;
mod program;
mod seat;
mod speech;
mod tally;
pub mod trace_context;
mod warm;
mod worker;
mod workshop;

// Sessions and eras.
mod era;
mod ledger;
mod session;
mod session_id;
mod shared;
mod supervisor;
