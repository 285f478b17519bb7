//! Finding the highest rung that the kernel allows, by trying.
//!
//! A launcher is started that puts itself on the rung and then looks whether the cage holds, from within: a kernel or a
//! container runtime may accept a rule and not enforce it.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, socket};

use super::{Cage, CageMode, CageUnavailable, Limits, Rung, Seal, program};
use crate::launcher::{self, Errand, Launch};
use crate::spawn::{children, handover};

/// Any port does: nobody listens in the probe's network but the probe.
const PORT: u16 = 49_152;
/// A port that the probe may not connect to.
const OTHER_PORT: u16 = 9;
/// A connection over loopback is made at once or never.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The rung for the workers.
    pub(crate) rung: Rung,
    /// Why not the next one, if that was asked for.
    pub(crate) missing: Option<String>,
}

/// Why the cage does not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Hole {
    #[error("the kernel accepted the file rules, but the root directory can still be listed")]
    Files,
    #[error("the kernel accepted the system call filter, but a unix socket can still be made")]
    Calls,
    #[error("the kernel accepted the port rules, but another port than the gateway's can still be connected to")]
    Ports,
    #[error("the gateway's listener can't be reached in the new network: {0}")]
    Gateway(io::Error),
}

/// The rung for this mode: the highest one up to `highest` that works.
pub(crate) fn choose(mode: CageMode, highest: Rung, launcher: &Path, limits: Limits) -> Result<Found, CageUnavailable> {
    if mode == CageMode::Off {
        return Ok(Found { rung: Rung::None, missing: None });
    }
    let mut missing = None;
    for rung in [Rung::Apart, Rung::Sealed].into_iter().filter(|rung| *rung <= highest) {
        match attempt(rung, launcher, limits) {
            Ok(()) => return Ok(Found { rung, missing }),
            Err(reason) => missing = Some(reason),
        }
    }
    match (mode, missing) {
        (CageMode::Required, missing) => {
            Err(CageUnavailable { available: Rung::Basic, reason: missing.unwrap_or_default() })
        }
        (_, missing) => Ok(Found { rung: Rung::Basic, missing }),
    }
}

/// Starts a launcher that tries the rung; what it had to say if it failed.
fn attempt(rung: Rung, launcher: &Path, limits: Limits) -> Result<(), String> {
    let seal = Seal { files: program::allowed(launcher, &[], None), gateway_port: PORT, may_fork: false };
    let cage = if rung == Rung::Apart { Cage::Apart(limits, seal) } else { Cage::Sealed(limits, seal) };
    let launch = Launch { parent_pid: std::process::id(), cage, errand: Errand::Try };
    let mut command = Command::new(launcher);
    command.args(launcher::arguments(&launch)).env_clear().stdout(Stdio::null()).stderr(Stdio::piped());
    let output = match rung {
        Rung::Apart => with_handover(command),
        _ => children::output(command.stdin(Stdio::null())),
    };
    let output = output.map_err(|error| format!("{}: {error}", launcher.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let said = text.lines().last().and_then(|line| line.strip_prefix(launcher::COMPLAINT)).unwrap_or(&text);
    Err(if said.trim().is_empty() { output.status.to_string() } else { said.trim().to_owned() })
}

fn with_handover(mut command: Command) -> io::Result<std::process::Output> {
    let (channel, theirs) = handover::channel(File::open("/dev/null")?.into())?;
    command.stdin(theirs);
    let output = children::output(&mut command);
    // The listener waits in the channel until here, and with it the probe's network.
    drop(channel);
    output
}

/// Looks around from within.
pub(crate) fn inspect(cage: &Cage) -> Result<(), Hole> {
    if cage.rung() < Rung::Sealed {
        return Ok(());
    }
    if std::fs::read_dir("/").is_ok() {
        return Err(Hole::Files);
    }
    if socket(AddressFamily::UNIX, SocketType::STREAM, None).is_ok() {
        return Err(Hole::Calls);
    }
    if cage.rung() == Rung::Apart {
        connect(PORT).map_err(Hole::Gateway)?;
    } else if connect(OTHER_PORT).map_err(|error| error.kind()) != Err(io::ErrorKind::PermissionDenied) {
        return Err(Hole::Ports);
    }
    Ok(())
}

fn connect(port: u16) -> io::Result<()> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), CONNECT_TIMEOUT).map(drop)
}
