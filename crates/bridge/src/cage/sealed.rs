//! Rungs 2 and 3, applied to the calling process.

use super::domain::{self, Allowed, DomainError, Network};
use super::syscalls::{self, FilterError};
use super::{Limits, basic, capabilities};

/// What a program needs besides computing. Everything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Files and directories. One that does not exist is passed over.
    pub files: Vec<Allowed>,
    /// The only TCP port that may be connected to: the gateway's.
    pub gateway_port: u16,
    /// Whether it may have child processes. They are caged as it is.
    pub may_fork: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("cannot apply the limits: {0}")]
    Limits(rustix::io::Errno),
    #[error("cannot give up capabilities: {0}")]
    Capabilities(rustix::io::Errno),
    #[error(transparent)]
    Domain(#[from] DomainError),
    #[error(transparent)]
    Filter(#[from] FilterError),
}

/// Limits, capabilities, files, ports and system calls, in an order in which none keeps the next from being applied. What an
/// exec inherits. There may be no other thread.
pub(crate) fn apply(limits: &Limits, seal: &Seal, network: Network) -> Result<(), SealError> {
    basic::apply(limits).map_err(SealError::Limits)?;
    capabilities::drop_all().map_err(SealError::Capabilities)?;
    domain::enter(&seal.files, network)?;
    syscalls::refuse(seal.may_fork)?;
    Ok(())
}
