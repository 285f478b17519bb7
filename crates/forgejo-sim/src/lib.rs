//! A stand-in for a Forgejo server: its OAuth2 provider, its login and consent pages, and the part of its API that MCP
//! servers for Forgejo use, over data in memory.
//!
//! It behaves as a real server does, traps and doors included, and never better: see [`Profile`]. Tests start one with
//! [`Simulator::start`] and drive it by the levers of [`RunningSim`]; `forgejo-sim` is the same as a program.

#![forbid(unsafe_code)]
#![recursion_limit = "256"]

mod api;
mod clock;
mod config;
mod fault;
mod levers;
mod model;
mod oauth;
mod request_log;
mod router;
mod scope;
mod secret;
mod seed;
mod server;
mod sim;
mod sink;
mod site;
mod web;
mod wire;

pub use clock::SimClock;
pub use config::{KeySize, Profile, Seed, SimConfig};
pub use fault::{Fault, FaultRule};
pub use levers::{Account, GrantInfo, NewApp, NewUser, OauthApp, TokenPair};
pub use model::UserState;
pub use oauth::jwt::KeyError;
pub use request_log::LoggedRequest;
pub use secret::{IssuedSecret, SecretKind};
pub use sim::{RunningSim, SecretList, Simulator, StartError};
pub use sink::Sink;
