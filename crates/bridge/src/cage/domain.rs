//! The Landlock domain of rungs 2 and 3: files, TCP ports, signals, abstract sockets (landlock(7)).
//!
//! Every right that the kernel knows is handled, so that what no rule grants is refused; rights that only newer kernels know
//! are taken where they are there. A process in a domain also can't attach to, or read the memory of, one outside of it.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};

/// The newest ABI whose rights we have looked at.
const NEWEST: ABI = ABI::V10;

/// One file or directory of a worker, and what it may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// With everything below it, if it is a directory.
    pub path: PathBuf,
    /// What may be done.
    pub right: Right,
}

/// What a worker may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read, and list directories.
    Read,
    /// Read and execute.
    Execute,
    /// Read and write. For devices that swallow what is written, and nothing else.
    Discard,
}

/// What the launcher could not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DomainError {
    #[error("this kernel's Landlock is too old or off: {0}")]
    Ruleset(#[from] RulesetError),
    #[error("cannot read what the program needs: {0}")]
    Path(#[from] landlock::PathFdError),
}

/// What has to be restricted for the domain to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// The domain is what keeps the network away: TCP ports have to be handled (ABI 4, Linux 6.7).
    ByPort(u16),
    /// A network namespace keeps it away; ports are handled where the kernel can (ABI 2, Linux 5.19, at least).
    Apart(u16),
}

/// Puts the calling thread, and what it executes, into a domain of its own. There may be no other thread.
pub(crate) fn enter(allowed: &[Allowed], network: Network) -> Result<(), DomainError> {
    let (required, port) = match network {
        Network::ByPort(port) => (ABI::V4, port),
        Network::Apart(port) => (ABI::V2, port),
    };
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(required))?;
    if let Network::ByPort(_) = network {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    let mut created = ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    for Allowed { path, right } in allowed {
        if path.try_exists().is_ok_and(|exists| !exists) {
            continue;
        }
        let access = if path.is_dir() { right.access() } else { right.access() & AccessFs::from_file(NEWEST) };
        created = created.add_rule(PathBeneath::new(PathFd::new(path)?, access))?;
    }
    created.restrict_self()?;
    Ok(())
}

// === impl Right ===

impl Right {
    fn access(self) -> BitFlags<AccessFs> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        match self {
            Self::Read => read,
            Self::Execute => read | AccessFs::Execute,
            Self::Discard => AccessFs::ReadFile | AccessFs::WriteFile,
        }
    }
}
