//! What a worker is kept from, as a ladder of rungs.
//!
//! | rung | what it adds |
//! |---|---|
//! | 0 | a clean environment, a process group of its own, death with the broker, no core dump |
//! | 1 | no new privileges, resource limits |
//! | 2 | Landlock ([`domain`]) and a system call filter ([`syscalls`]), no capabilities |
//! | 3 | a user and a network namespace of its own ([`namespace`]), a limit on processes |
//!
//! Every rung contains the ones below it. The launcher applies the rung in the worker's own process, right before the
//! program replaces it. Which rungs the kernel allows is found by trying ([`probe`]), because version numbers do not tell:
//! containers, hardened kernels and their settings take away what a version has.
//!
//! There is no limit on address space: `RLIMIT_AS` breaks runtimes that reserve it without using it. The limit on processes
//! (`RLIMIT_NPROC`) counts those of the user within one user namespace, so it can only be set on rung 3.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) mod basic;
mod capabilities;
pub(crate) mod domain;
mod harden;
mod loopback;
pub(crate) mod namespace;
pub(crate) mod probe;
pub(crate) mod program;
pub(crate) mod sealed;
pub(crate) mod syscalls;

pub use domain::{Allowed, Right};
pub use harden::harden_self;
pub use sealed::Seal;

/// What the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CageMode {
    /// Refuse to start below rung 2.
    Required,
    /// The highest rung that the kernel allows.
    #[default]
    Auto,
    /// Rung 0, for finding out whether the cage is what breaks a program.
    Off,
}

/// How well workers are caged. Said once in the log and shown in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Rung 0: no cage.
    None,
    /// Rung 1: no new privileges, resource limits.
    Basic,
    /// Rung 2: files, system calls and TCP ports by list.
    Sealed,
    /// Rung 3: a network of its own, in which there is only the gateway.
    Apart,
}

/// The resource limits of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Bytes that a file may grow to (`RLIMIT_FSIZE`). Pipes and sockets do not count.
    pub file_size_bytes: u64,
    /// Bytes of private writable memory (`RLIMIT_DATA`).
    pub data_bytes: u64,
    /// Processes and threads (`RLIMIT_NPROC`). On rung 3 only, and not for a broker that runs as the machine's root, whom the
    /// kernel exempts.
    pub tasks: u64,
}

/// What the launcher does to the process before the program runs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cage {
    /// Rung 0.
    None,
    /// Rung 1.
    Basic(Limits),
    /// Rung 2.
    Sealed(Limits, Seal),
    /// Rung 3. The launcher's stdin is the socket over which it gets the worker's stdin and gives the gateway's listener.
    Apart(Limits, Seal),
}

/// The operator asked for a cage that can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "worker-cage=required needs rung 2 (Landlock and seccomp), but only rung {} can be had here: {reason}; \
     set worker-cage=auto to run with that", .available.number()
)]
pub struct CageUnavailable {
    /// The highest rung that can be had.
    pub available: Rung,
    /// What happened when the next one was tried.
    pub reason: String,
}

/// The cage mode is none of `required`, `auto` and `off`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown worker-cage {0:?}; it is required, auto or off")]
pub struct UnknownCageMode(pub String);

// === impl CageMode ===

impl FromStr for CageMode {
    type Err = UnknownCageMode;

    fn from_str(text: &str) -> Result<Self, UnknownCageMode> {
        match text {
            "required" => Ok(Self::Required),
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            other => Err(UnknownCageMode(other.to_owned())),
        }
    }
}

impl fmt::Display for CageMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Auto => "auto",
            Self::Off => "off",
        })
    }
}

// === impl Rung ===

impl Rung {
    /// The rung's number, as metrics show it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Basic => 1,
            Self::Sealed => 2,
            Self::Apart => 3,
        }
    }
}

// === impl Cage ===

impl Cage {
    /// The rung of this cage.
    #[must_use]
    pub fn rung(&self) -> Rung {
        match self {
            Self::None => Rung::None,
            Self::Basic(_) => Rung::Basic,
            Self::Sealed(..) => Rung::Sealed,
            Self::Apart(..) => Rung::Apart,
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    /// Fifteen times what forgejo-mcp was seen to use after a 12 MiB line (65 MB), and room for node and Python.
    fn default() -> Self {
        Self { open_files: 1024, file_size_bytes: 16 << 20, data_bytes: 1 << 30, tasks: 256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_refuses_to_start_below_rung_two_and_says_what_to_do() {
        let text = CageUnavailable { available: Rung::Basic, reason: "no Landlock".into() }.to_string();
        assert!(text.contains("rung 2") && text.contains("only rung 1") && text.contains("no Landlock"), "{text}");
        assert!(text.contains("worker-cage=auto"), "{text}");
    }

    #[test]
    fn rungs_are_a_ladder() {
        let rungs = [Rung::None, Rung::Basic, Rung::Sealed, Rung::Apart];
        assert!(rungs.is_sorted());
        assert_eq!(rungs.map(Rung::number), [0, 1, 2, 3]);
    }

    #[test]
    fn modes_are_read_as_they_are_written() {
        for mode in [CageMode::Required, CageMode::Auto, CageMode::Off] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert!("on".parse::<CageMode>().is_err());
    }
}
