//! What a worker is kept from, as a ladder of rungs.
//!
//! Every rung contains the ones below it. This build knows rung 1: no new privileges and resource limits, on top of what
//! every worker gets whatever the rung (a clean environment, a process group of its own, death with the broker, no core
//! dump). The launcher applies the rung in the worker's own process, right before the program replaces it, so a further
//! rung is one more variant of [`Cage`] and one more file under `cage/`.
//!
//! There is no limit on processes or address space: `RLIMIT_NPROC` counts all processes of the uid, not those of one worker,
//! and `RLIMIT_AS` breaks runtimes that reserve address space without using it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) mod basic;
mod harden;

pub use harden::harden_self;

/// What the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CageMode {
    /// Refuse to start below rung 2.
    Required,
    /// The highest rung that kernel and program allow.
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
}

/// What the launcher does to the process before the program runs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cage {
    /// Rung 0.
    None,
    /// Rung 1.
    Basic(Limits),
}

/// The operator asked for a cage that can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "worker-cage=required needs rung 2 (Landlock and seccomp), but this build has only rung {}; \
     set worker-cage=auto to run with that", .available.number()
)]
pub struct CageUnavailable {
    /// The highest rung that can be had.
    pub available: Rung,
}

/// The cage mode is none of `required`, `auto` and `off`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown worker-cage {0:?}; it is required, auto or off")]
pub struct UnknownCageMode(pub String);

// === impl CageMode ===

impl CageMode {
    /// The rung that workers will stand on.
    pub fn choose(self) -> Result<Rung, CageUnavailable> {
        match self {
            Self::Required => Err(CageUnavailable { available: Rung::Basic }),
            Self::Auto => Ok(Rung::Basic),
            Self::Off => Ok(Rung::None),
        }
    }
}

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
        }
    }

    /// What the launcher is to do on this rung.
    #[must_use]
    pub fn cage(self, limits: Limits) -> Cage {
        match self {
            Self::None => Cage::None,
            Self::Basic => Cage::Basic(limits),
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    /// Fifteen times what forgejo-mcp was seen to use after a 12 MiB line (65 MB), and room for node and Python.
    fn default() -> Self {
        Self { open_files: 1024, file_size_bytes: 16 << 20, data_bytes: 1 << 30 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_refuses_to_start_below_rung_two_and_says_what_to_do() {
        let text = CageMode::Required.choose().unwrap_err().to_string();
        assert!(text.contains("rung 2") && text.contains("only rung 1") && text.contains("worker-cage=auto"), "{text}");
    }

    #[test]
    fn auto_takes_rung_one_and_off_none() {
        assert_eq!(CageMode::Auto.choose(), Ok(Rung::Basic));
        assert_eq!(CageMode::Off.choose(), Ok(Rung::None));
        assert!(Rung::None < Rung::Basic);
    }

    #[test]
    fn modes_are_read_as_they_are_written() {
        for mode in [CageMode::Required, CageMode::Auto, CageMode::Off] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert!("on".parse::<CageMode>().is_err());
    }
}
