//! Profiles, spawners and conversations that the tests share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bridge::cage::{CageMode, Rung};
use bridge::process::{Process, ProcessRequest};
use bridge::profile::{Preset, WorkerProfile};
use bridge::spawn::{SpawnConfig, Spawner};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::ChildStdout;

use crate::gateway::Gateway;

pub(crate) const TOKEN: &str = "cap-5f1d8c20b7";
pub(crate) const URL: &str = "http://127.0.0.1:1";
/// Long enough that a test which needed it would run into its deadline.
pub(crate) const NEVER: Duration = Duration::from_hours(1);
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// By number.
pub(crate) const RUNGS: [Rung; 4] = [Rung::None, Rung::Basic, Rung::Sealed, Rung::Apart];

pub(crate) fn profile(command: &str, args: &[&str]) -> WorkerProfile {
    WorkerProfile {
        command: command.to_owned(),
        args: args.iter().map(ToString::to_string).collect(),
        ..Preset::Custom.profile()
    }
}

/// A shell script as worker program, which may call other programs, whatever the rung. A clean environment has no PATH, and
/// sh has a default one.
pub(crate) fn script(text: &str) -> WorkerProfile {
    WorkerProfile {
        allowed_paths: ["/bin", "/usr/bin", "/proc"].map(PathBuf::from).into(),
        may_fork: true,
        ..profile("/bin/sh", &["-c", text])
    }
}

pub(crate) fn request() -> ProcessRequest {
    ProcessRequest { url: URL.to_owned(), token: TOKEN.to_owned(), label: "worker-7".to_owned() }
}

pub(crate) fn config() -> SpawnConfig {
    SpawnConfig { stop_grace: SHORT, listeners: Some(Arc::new(Gateway::default())), ..SpawnConfig::default() }
}

pub(crate) fn spawner(profile: WorkerProfile) -> Spawner {
    Spawner::start(profile, config()).unwrap()
}

pub(crate) fn spawner_with_cage(profile: WorkerProfile, cage: CageMode) -> Spawner {
    Spawner::start(profile, SpawnConfig { cage, ..config() }).unwrap()
}

/// Starts one worker of this profile.
pub(crate) async fn start(profile: WorkerProfile) -> Process {
    spawner(profile).spawn(request()).await.unwrap()
}

pub(crate) fn lines(process: &mut Process) -> BufReader<ChildStdout> {
    BufReader::new(process.stdout.take().unwrap())
}

pub(crate) async fn line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

/// All that comes until nobody has the pipe's other end any more: the worker, and every process that inherited it, has ended.
pub(crate) async fn everything(mut stdout: BufReader<ChildStdout>) -> String {
    let mut text = String::new();
    stdout.read_to_string(&mut text).await.unwrap();
    text
}
