//! The program: how an operator, a browser and an MCP client meet it.
//!
//! A request walks one way: [`serve`] (listener) → [`middleware`] (request id, limits, host, CORS) → handler → a rule in `oauth` or a
//! route in `bridge` → `store` or worker → response. [`cli`] and [`config`] come before all of it, [`pages`] is what browsers see.
#![forbid(unsafe_code)]

mod account;
pub mod app;
mod audit;
mod bearer;
mod browser;
pub mod build_info;
mod choosing;
pub mod cli;
mod clients;
pub mod config;
mod display;
mod documents;
mod entry;
mod examination;
mod failure;
mod fetch;
mod gateway_events;
mod handlers;
mod instance;
mod live_grants;
mod login;
pub(crate) mod metrics;
pub mod middleware;
pub mod pages;
mod rate_limit;
mod readiness;
mod replica;
mod router;
pub mod serve;
mod shelf;
mod static_client;
mod storage;
pub mod telemetry;
mod token_pair;
mod tombstones;
mod tools;
mod worker_access;
