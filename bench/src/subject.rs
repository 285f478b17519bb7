//! What is compared: bridges, each with the same echo child behind it.

mod bare;
mod ours;
mod pipe;
mod rivals;

use std::any::Any;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

pub use bare::serve as serve_bare;
pub use ours::{broker, door, settings};
pub use pipe::Pipe;
pub use rivals::Rivals;

use crate::load::{self, Echoes, Taken};
use crate::target::{Door, Target};

/// Names that targets are stated in.
pub mod name {
    /// A legacy session at our broker.
    pub const LEGACY: &str = "fjmcp-broker, legacy session";
    /// A modern client on a worker of the legacy era.
    pub const TRANSLATED: &str = "fjmcp-broker, modern client, legacy worker";
    /// A modern client on a modern worker.
    pub const NATIVE: &str = "fjmcp-broker, modern client, modern worker";
    /// A legacy session through a reverse proxy.
    pub const NGINX: &str = "fjmcp-broker, legacy session, through nginx";
    /// The exchange with nothing around it.
    pub const BARE: &str = "bare axum handler, one pipe";
    /// The pipe alone.
    pub const PIPE: &str = "pipe round trip";
    /// The Rust bridge.
    pub const RUST: &str = "mcp-proxy 0.6.0 (Rust)";
    /// From npm.
    pub const SUPERGATEWAY: &str = "supergateway 4.0.0 (npm), stateful";
    /// From npm.
    pub const NPM: &str = "mcp-proxy 6.7.19 (npm)";
    /// From `PyPI`.
    pub const PYTHON: &str = "mcp-proxy 0.13.0 (PyPI)";
    /// The protocol's SDK on both sides.
    pub const NODE: &str = "Node broker, a child per user (SDK 1.30.0)";
}

/// A subject that runs.
pub struct Running {
    /// Its name.
    pub name: &'static str,
    /// The first processes of the bridge; none for the pipe.
    pub roots: Vec<u32>,
    /// How calls reach it.
    pub way: Way,
    /// Memory before the first session, in bytes.
    pub rest: Option<u64>,
    /// Where more sessions can be opened, to see what they weigh.
    pub door: Option<Door>,
    /// What has to live as long: processes end with it.
    pub alive: Box<dyn Any>,
}

/// How calls reach a subject.
pub enum Way {
    /// Over HTTP.
    Http(Target),
    /// Without any.
    Pipe(Box<Pipe>),
}

/// The echo child, built beside this program.
///
/// # Errors
/// When this program's own path cannot be found.
pub fn child() -> Result<PathBuf> {
    let mut path = std::env::current_exe().context("cannot find this program")?;
    path.set_file_name("bench-echo");
    Ok(path)
}

// === impl Running ===

impl Running {
    /// `calls` echoes by `callers`.
    ///
    /// # Errors
    /// When any answer is wrong.
    pub async fn echo(&mut self, callers: usize, calls: u64) -> Result<Taken> {
        match &mut self.way {
            Way::Http(target) => load::closed(std::slice::from_ref(target), callers, calls, Echoes).await,
            Way::Pipe(pipe) => pipe.echo(callers, calls),
        }
        .with_context(|| self.name)
    }

    /// The same at a constant rate; `None` where nothing can be sent beside what is under way.
    ///
    /// # Errors
    /// When any answer is wrong.
    pub async fn echo_at(&self, rate: f64, callers: usize, calls: u64) -> Result<Option<Taken>> {
        let Way::Http(target) = &self.way else {
            return Ok(None);
        };
        load::constant(std::slice::from_ref(target), callers, calls, rate, Echoes)
            .await
            .with_context(|| self.name)
            .map(Some)
    }
}
