use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use bridge::cage::{Cage, CageMode};
use bridge::launcher::{Errand, Launch, arguments};
use bridge::process::SpawnError;
use bridge::spawn::{SpawnConfig, Spawner};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::workers::{config, profile, request, spawner};

pub(crate) async fn a_missing_program_stops_the_start_and_is_named() {
    let error = Spawner::start(profile("forgejo-mcp-nowhere", &[]), config()).err().unwrap().to_string();
    assert!(
        error.contains("forgejo-mcp-nowhere") && error.contains("PATH") && error.contains("worker-command"),
        "{error}"
    );
}

pub(crate) async fn a_program_that_vanished_is_a_clear_spawn_error() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("server");
    fs::copy("/bin/cat", &program).unwrap();
    let spawner = spawner(profile(program.to_str().unwrap(), &[]));
    fs::remove_file(&program).unwrap();

    let error = spawner.spawn(request()).await.err().unwrap();

    assert!(matches!(&error, SpawnError::Program { reason, .. } if reason.contains("No such file")), "{error}");
    assert!(error.to_string().contains(program.to_str().unwrap()), "{error}");
    assert_eq!(spawner.alive(), 0);
}

pub(crate) async fn a_missing_launcher_is_a_clear_spawn_error() {
    let config = SpawnConfig { launcher: "/nonexistent/fjmcp-broker".into(), cage: CageMode::Off, ..config() };
    let spawner = Spawner::start(profile("/bin/cat", &[]), config).unwrap();
    let error = spawner.spawn(request()).await.err().unwrap().to_string();
    assert!(error.contains("/nonexistent/fjmcp-broker") && error.contains("launcher"), "{error}");
}

pub(crate) async fn a_program_without_its_interpreter_is_told_in_the_exit_report() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("server");
    fs::write(&program, "#!/nonexistent/node\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let worker = spawner(profile(program.to_str().unwrap(), &[])).spawn(request()).await.unwrap();

    let report = worker.exit.ended().await.unwrap();

    assert_eq!(report.code, Some(126));
    let line = report.last_stderr_line.as_deref().unwrap();
    assert!(line.starts_with("worker launcher: cannot run ") && line.contains("interpreter"), "{line}");
}

pub(crate) async fn running_out_of_descriptors_is_told_as_exhaustion_and_passes() {
    let spawner = spawner(profile("/bin/cat", &[]));
    let before = getrlimit(Resource::Nofile);
    let in_use = u64::try_from(fs::read_dir("/proc/self/fd").unwrap().count()).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(in_use + 2), maximum: before.maximum }).unwrap();
    let result = spawner.spawn(request()).await;
    setrlimit(Resource::Nofile, before).unwrap();

    assert!(matches!(result, Err(SpawnError::Exhausted(_))), "{:?}", result.err());
    let worker = spawner.spawn(request()).await.unwrap();
    assert_eq!(spawner.alive(), 1);
    drop(worker);
}

fn launch(parent_pid: u32, program: &Path) -> Output {
    let launch = Launch {
        parent_pid,
        cage: Cage::None,
        errand: Errand::Run { program: program.into(), args: vec!["said".into()] },
    };
    Command::new(std::env::current_exe().unwrap()).args(arguments(&launch)).output().unwrap()
}

pub(crate) async fn a_launcher_with_another_parent_than_told_does_not_run_the_program() {
    let stray = launch(u32::MAX, Path::new("/bin/echo"));
    assert_eq!(stray.status.code(), Some(125));
    assert_eq!(stray.stdout, b"");
    assert_eq!(stray.stderr, b"worker launcher: the broker that wanted this worker is gone\n");

    let own = launch(std::process::id(), Path::new("/bin/echo"));
    assert_eq!((own.status.code(), own.stdout.as_slice()), (Some(0), &b"said\n"[..]));
}

pub(crate) async fn a_launcher_says_why_it_cannot_run_a_program() {
    for (program, code) in [("/nonexistent/server", 127), ("/etc/passwd", 126)] {
        let output = launch(std::process::id(), Path::new(program));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(program) && text.lines().count() == 1, "{text}");
    }
    let output = Command::new(std::env::current_exe().unwrap()).args(["worker-launcher", "--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    assert!(String::from_utf8(output.stderr).unwrap().contains("for the broker itself"));
}
