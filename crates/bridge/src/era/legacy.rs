//! The era of sessions: revisions 2025-03-26, 2025-06-18 and 2025-11-25.

mod calls;
mod get;
mod post;

pub(crate) use self::get::get;
pub(crate) use self::post::{only_id, post};

use super::LEGACY_VERSIONS;
use crate::refusal::Refusal;

/// The one revision that has batches.
const WITH_BATCHES: &str = "2025-03-26";
/// From this one on clients know event streams that they are to resume (T44).
const WITH_PRIMING: &str = "2025-11-25";

/// T61. Between the legacy revisions it is lenient (mcp.md, trap 29): a session has one, whatever the header says.
pub(crate) fn check_version(header: Option<&str>) -> Result<(), Refusal> {
    match header {
        Some(version) if !LEGACY_VERSIONS.contains(&version) => Err(Refusal::invalid(format!(
            "MCP-Protocol-Version: this revision is not supported; supported are {}",
            LEGACY_VERSIONS[1..].join(", ")
        ))),
        _ => Ok(()),
    }
}
