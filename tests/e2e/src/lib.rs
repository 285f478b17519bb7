//! What drives the built broker as users do: a browser, an OAuth client, an MCP client, and the processes around them.
//!
//! Used by the end-to-end tests and by `make demo`, so that what the demo shows is what the tests prove.
#![forbid(unsafe_code)]

pub mod audit;
pub mod binaries;
pub mod broker;
pub mod browser;
pub mod children;
pub mod clients;
pub mod command;
pub mod document_server;
pub mod events;
pub mod farm;
pub mod front;
pub mod issued;
pub mod mcp;
pub mod memory;
pub mod modern;
pub mod oauth_client;
pub mod processes;
pub mod replicas;
pub mod stack;
pub mod stdio;
pub mod storm;
pub mod through_worker;
pub mod wire;
pub mod witness;
pub mod words;
