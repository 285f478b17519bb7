//! The command line.

use clap::{Parser, ValueEnum};

/// An MCP server on stdio with what the public conformance suite asks for.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    /// Which revisions it speaks.
    #[arg(long, value_enum, default_value_t = Era::Both)]
    pub(crate) era: Era,
    /// What `requestState` is authenticated with; without it, a random key that dies with the process.
    #[arg(long)]
    pub(crate) state_key: Option<String>,
}

/// The eras of the protocol (mcp.md, conventions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Era {
    /// With `initialize`: up to 2025-11-25.
    Legacy,
    /// Metadata in each request: 2026-07-28.
    Modern,
    /// Each message decides.
    Both,
}
