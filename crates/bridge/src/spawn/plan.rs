//! What is the same for every worker, worked out once: the program, its arguments, its environment.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};

use crate::cage::{Allowed, Cage, Limits, Rung, Seal, program};
use crate::launcher::{self, Errand, Launch};
use crate::process::{ProcessRequest, SpawnError};
use crate::profile::WorkerProfile;

pub(super) struct Plan {
    profile: WorkerProfile,
    program: PathBuf,
    launcher: PathBuf,
    rung: Rung,
    limits: Limits,
    /// What the program may read and execute, on rungs where that matters.
    files: Vec<Allowed>,
    /// Fixed and inherited variables; URL and tokens come with each request.
    environment: Vec<(OsString, OsString)>,
}

// === impl Plan ===

impl Plan {
    /// `inherited` reads the broker's environment.
    pub(super) fn new(
        profile: WorkerProfile,
        launcher: PathBuf,
        rung: Rung,
        limits: Limits,
        inherited: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SpawnError> {
        let program = find(&profile.command, inherited("PATH").as_deref())
            .map_err(|reason| SpawnError::Program { program: profile.command.clone(), reason })?;
        let fixed = profile.env.iter().map(|(name, value)| (name.into(), value.into()));
        let passed = profile.passthrough.iter().filter_map(|name| Some((name.into(), inherited(name)?)));
        let environment: Vec<(OsString, OsString)> = fixed.chain(passed).collect();
        let search = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        let files = program::allowed(&program, &profile.allowed_paths, search);
        Ok(Self { profile, program, launcher, rung, limits, files, environment })
    }

    pub(super) fn profile(&self) -> &WorkerProfile {
        &self.profile
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The command that starts a worker with this access. The program is looked at again: it may have been replaced or
    /// removed since the start, and that is better said here than by a launcher that can't run it.
    pub(super) fn command(&self, request: &ProcessRequest) -> Result<Command, SpawnError> {
        executable(&self.program).map_err(|reason| self.program_error(reason))?;
        let launch = Launch {
            parent_pid: std::process::id(),
            cage: self.cage(request)?,
            errand: Errand::Run {
                program: self.program.clone(),
                args: self.profile.args.iter().map(OsString::from).collect(),
            },
        };
        let mut command = Command::new(&self.launcher);
        command
            .args(launcher::arguments(&launch))
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(&self.profile.url_var, &request.url)
            .env(&self.profile.token_var, &request.token)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for var in &self.profile.extra_token_vars {
            let end = if var.distinct { " " } else { "" };
            command.env(&var.name, format!("{}{end}", request.token));
        }
        Ok(command)
    }

    fn cage(&self, request: &ProcessRequest) -> Result<Cage, SpawnError> {
        let seal = || {
            let gateway_port = gateway_port(&request.url).ok_or_else(|| SpawnError::Gateway(request.url.clone()))?;
            Ok(Seal { files: self.files.clone(), gateway_port, may_fork: self.profile.may_fork })
        };
        Ok(match self.rung {
            Rung::None => Cage::None,
            Rung::Basic => Cage::Basic(self.limits),
            Rung::Sealed => Cage::Sealed(self.limits, seal()?),
            Rung::Apart => Cage::Apart(self.limits, seal()?),
        })
    }

    /// What an error of the spawn itself means. The system's limits pass; anything else has to do with the launcher.
    pub(super) fn spawn_error(&self, error: &io::Error) -> SpawnError {
        use rustix::io::Errno;
        let limits = [Errno::AGAIN, Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(Errno::raw_os_error);
        match error.raw_os_error() {
            Some(errno) if limits.contains(&errno) => SpawnError::Exhausted(error.to_string()),
            _ => self.program_error(format!("its launcher {} does not start: {error}", self.launcher.display())),
        }
    }

    fn program_error(&self, reason: String) -> SpawnError {
        SpawnError::Program { program: self.program.display().to_string(), reason }
    }
}

/// The program that a profile's command means, if it is there and can be executed; else why not. `search` is a `PATH`.
pub fn find_program(command: &str, search: Option<&OsStr>) -> Result<PathBuf, String> {
    find(command, search)
}

/// The absolute path of a command. One with a slash is a path; any other name is looked up in `search`.
fn find(command: &str, search: Option<&OsStr>) -> Result<PathBuf, String> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(|error| error.to_string());
    if command.contains('/') {
        let path = absolute(Path::new(command))?;
        executable(&path)?;
        return Ok(path);
    }
    let search = search.ok_or_else(|| "the broker has no PATH to look it up in; give its full path".to_owned())?;
    let directories = std::env::split_paths(search).filter(|directory| !directory.as_os_str().is_empty());
    let found = directories.map(|directory| directory.join(command)).find(|path| executable(path).is_ok());
    absolute(&found.ok_or_else(|| "it is in no directory of the broker's PATH".to_owned())?)
}

/// The port in `http://127.0.0.1:PORT`, with or without a path. Nothing else is the gateway's address.
fn gateway_port(url: &str) -> Option<u16> {
    let authority = url.strip_prefix("http://")?.split('/').next()?;
    let address: SocketAddrV4 = authority.parse().ok()?;
    (*address.ip() == Ipv4Addr::LOCALHOST && address.port() != 0).then_some(address.port())
}

fn executable(path: &Path) -> Result<(), String> {
    let metadata = path.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    access(path, Access::EXEC_OK).map_err(|_| "it is not executable for the broker's user".to_owned())
}

#[cfg(test)]
mod tests;
