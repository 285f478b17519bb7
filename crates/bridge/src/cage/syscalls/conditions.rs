//! Calls that are refused because of their arguments.

use nix::libc;
use seccompiler::{BackendError, SeccompCmpOp, SeccompRule};

use super::{Rules, argument, table};

/// All calls that are answered with "not permitted", with their conditions.
pub(super) fn not_permitted(may_fork: bool) -> Result<Rules, BackendError> {
    let mut rules: Rules = table::never().map(|number| (number, Vec::new())).collect();
    if !may_fork {
        rules.extend(table::fork().map(|number| (number, Vec::new())));
    }
    rules.insert(libc::SYS_socket, only_tcp()?);
    rules.insert(libc::SYS_socketpair, only_connected_pairs()?);
    rules.insert(libc::SYS_clone, if may_fork { no_namespaces()? } else { only_threads()? });
    // Position of the flags argument.
    for (number, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        rules.insert(number, vec![set(flags, libc::MSG_FASTOPEN)?]);
    }
    let own = rustix::process::getpid().as_raw_pid();
    let signals: &[i64] = if may_fork { &[] } else { table::SIGNALS };
    for number in signals.iter().chain(table::SCHEDULING) {
        // The first argument is neither this process nor 0, which stands for it or its group.
        rules.insert(*number, vec![neither(0, own, 0)?]);
    }
    // `setpriority(which, who, …)` and `ioprio_set(which, who, …)`: the calling thread and nobody else.
    for (number, process) in [(libc::SYS_setpriority, 0), (libc::SYS_ioprio_set, 1)] {
        rules.insert(number, vec![other_than(0, process)?, other_than(1, 0)?]);
    }
    Ok(rules)
}

/// `socket(family, type, protocol)`: INET or INET6, stream, the default protocol or TCP.
fn only_tcp() -> Result<Vec<SeccompRule>, BackendError> {
    let mut refused = other_than_stream()?;
    refused.push(neither(0, libc::AF_INET, libc::AF_INET6)?);
    refused.push(neither(2, 0, libc::IPPROTO_TCP)?);
    Ok(refused)
}

/// `socketpair`: a pair of datagram sockets can be turned on any path, a pair of streams is connected for good. Runtimes use
/// such pairs to wake themselves.
fn only_connected_pairs() -> Result<Vec<SeccompRule>, BackendError> {
    let mut refused = other_than_stream()?;
    refused.push(other_than(0, libc::AF_UNIX)?);
    Ok(refused)
}

/// The type is in the lowest four bits of the second argument, and `SOCK_STREAM` is 1.
fn other_than_stream() -> Result<Vec<SeccompRule>, BackendError> {
    let bit = |bit: i32, value: i32| {
        let mask = SeccompCmpOp::MaskedEq(u64::from(bit.cast_unsigned()));
        SeccompRule::new(vec![argument(1, mask, value)?])
    };
    Ok(vec![bit(1, 0)?, bit(2, 2)?, bit(4, 4)?, bit(8, 8)?])
}

/// `clone`: a new thread of this process, and nothing else.
fn only_threads() -> Result<Vec<SeccompRule>, BackendError> {
    let mask = SeccompCmpOp::MaskedEq(u64::from(libc::CLONE_THREAD.cast_unsigned()));
    Ok(vec![SeccompRule::new(vec![argument(0, mask, 0)?])?])
}

/// `clone` for programs that may fork: not into new namespaces.
fn no_namespaces() -> Result<Vec<SeccompRule>, BackendError> {
    let kinds = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    kinds.into_iter().map(|kind| set(0, kind)).collect()
}

fn other_than(index: u8, value: i32) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![argument(index, SeccompCmpOp::Ne, value)?])
}

fn set(index: u8, bit: i32) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![argument(index, SeccompCmpOp::MaskedEq(u64::from(bit.cast_unsigned())), bit)?])
}

fn neither(index: u8, one: i32, other: i32) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![argument(index, SeccompCmpOp::Ne, one)?, argument(index, SeccompCmpOp::Ne, other)?])
}
