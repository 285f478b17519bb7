//! Rung 1, applied to the calling process.

use rustix::io::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Limits;

/// Gives up new privileges and lowers the limits. What an exec inherits.
pub(crate) fn apply(limits: &Limits) -> Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    lower(Resource::Nofile, limits.open_files)?;
    lower(Resource::Fsize, limits.file_size_bytes)?;
    lower(Resource::Data, limits.data_bytes)
}

/// Sets soft and hard limit, never above the hard limit that is there.
pub(crate) fn lower(resource: Resource, wanted: u64) -> Result<()> {
    let value = getrlimit(resource).maximum.map_or(wanted, |hard| hard.min(wanted));
    setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
}
