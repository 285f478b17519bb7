//! The broker's own shield against the processes it starts, which run under its uid.

use std::io;

use rustix::process::{DumpableBehavior, Resource, set_dumpable_behavior};

use super::basic::lower;

/// Makes the calling process non-dumpable, so that no process of the same uid can read its memory, environment or
/// descriptors or attach to it (ptrace(2), `PR_SET_DUMPABLE`), and turns its core dumps off. Called once, before the first
/// worker; an exec would undo it.
pub fn harden_self() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    lower(Resource::Core, 0)?;
    Ok(())
}
