//! The system call filter of rungs 2 and 3 (seccomp(2)): what Landlock leaves open.
//!
//! Landlock knows TCP by `bind` and `connect` only. So the one socket that can be had is a TCP one, which shuts out UDP,
//! MPTCP, path sockets, netlink, vsock and the rest; `listen` without a bind and data in the first packet (TCP Fast Open)
//! are refused; and io_uring, which makes calls that no filter sees. A worker is one process: nothing can be forked,
//! traced or read. Names and owners of files, which Landlock does not guard, can't be changed.
//!
//! A list of what is refused and not of what is allowed: workers are other people's programs in any language, and what they
//! may read, write and reach is the domain's business.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, apply_filter};

mod conditions;
mod table;

/// What the launcher could not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// Neither x86-64 nor aarch64, or the kernel has no filters.
    #[error("system calls can't be filtered here: {0}")]
    Filter(#[from] seccompiler::Error),
    /// A rule that can't be expressed.
    #[error("system calls can't be filtered on this kind of machine: {0}")]
    Rule(#[from] seccompiler::BackendError),
}

/// A system call's number, and the conditions under which it is refused: none means always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refuses the calls from here on, also to what is executed. There may be no other thread.
pub(crate) fn refuse(may_fork: bool) -> Result<(), FilterError> {
    for program in programs(may_fork)? {
        apply_filter(&program)?;
    }
    Ok(())
}

/// One program per answer: a filter has only one.
fn programs(may_fork: bool) -> Result<[BpfProgram; 2], FilterError> {
    Ok([
        program(conditions::not_permitted(may_fork)?, libc::EPERM)?,
        // As if the kernel were older: callers then take the way that can be judged, or do without.
        program(table::absent().map(|number| (number, Vec::new())).collect(), libc::ENOSYS)?,
    ])
}

fn program(rules: Rules, errno: i32) -> Result<BpfProgram, FilterError> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let refused = SeccompAction::Errno(errno.unsigned_abs());
    Ok(SeccompFilter::new(table::in_every_spelling(rules), SeccompAction::Allow, refused, architecture)?.try_into()?)
}

/// A condition on one argument, of which the kernel looks at the lower half.
fn argument(
    index: u8,
    operator: seccompiler::SeccompCmpOp,
    value: i32,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    let value = u64::from(value.cast_unsigned());
    SeccompCondition::new(index, seccompiler::SeccompCmpArgLen::Dword, operator, value)
}

#[cfg(test)]
mod tests;
