//! Clients of 2026-07-28 on a worker with a handshake.

mod asking;
mod bytes;
mod caller;
mod calls;
mod discover;
mod endings;
mod ladder;
mod listens;
mod lists;
mod logging;
mod parking;
mod replicas;
mod traps;

pub(crate) use self::bytes::json_text;
