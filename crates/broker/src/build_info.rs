//! What this binary was built from, stamped by the build script.

use serde::Serialize;

/// Name of the program as it appears in logs, health answers and `User-Agent`.
pub const SERVICE: &str = "fjmcp-broker";

/// Version, revision and date of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BuildInfo {
    /// Version of the package, as in its manifest.
    pub version: &'static str,
    /// Git revision, twelve hex digits, or `unknown`.
    pub revision: &'static str,
    /// Date of the build's source (UTC, `YYYY-MM-DD`), or `unknown`.
    pub build_date: &'static str,
}

/// The stamp of this binary.
pub const BUILD: BuildInfo = BuildInfo {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("FJMCP_BUILD_REVISION"),
    build_date: env!("FJMCP_BUILD_DATE"),
};

/// One line for people: `0.1.0 (revision 0123456789ab, built 2026-11-23)`.
pub const VERSION_LINE: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("FJMCP_BUILD_REVISION"),
    ", built ",
    env!("FJMCP_BUILD_DATE"),
    ")"
);
