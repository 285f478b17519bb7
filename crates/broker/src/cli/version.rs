//! `fjmcp-broker version`.

use super::exit::Failure;
use crate::build_info::{BUILD, SERVICE};

pub(super) fn run() -> Result<(), Failure> {
    super::print(&format!("{SERVICE} {}\nrevision: {}\nbuilt: {}\n", BUILD.version, BUILD.revision, BUILD.build_date))
}
