//! `fjmcp-broker config`: what is in effect, and where it came from.

use super::exit::Failure;
use crate::config::{FlagValues, Loaded, load};

pub(super) fn run(flags: &FlagValues) -> Result<(), Failure> {
    let loaded = from_process(flags);
    super::print(&loaded.to_toml())?;
    let config = loaded.outcome?;
    let warnings: Vec<String> = config.warnings.iter().map(|warning| format!("# warning: {warning}\n")).collect();
    super::print(&warnings.concat())
}

/// Reads the configuration with the variables of this process.
pub(super) fn from_process(flags: &FlagValues) -> Loaded {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    load(flags, &|name| std::env::var_os(name), names)
}
