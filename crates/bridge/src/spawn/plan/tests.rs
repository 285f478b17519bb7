use std::collections::BTreeMap;

use super::*;
use crate::cage::Limits;
use crate::profile::{Preset, TokenVar};

fn inherited(name: &str) -> Option<OsString> {
    match name {
        "PATH" => Some("/nonexistent::/bin".into()),
        "LANG" => Some("C.UTF-8".into()),
        _ => None,
    }
}

fn profile(command: &str) -> WorkerProfile {
    WorkerProfile { command: command.to_owned(), ..Preset::Custom.profile() }
}

fn plan(profile: WorkerProfile) -> Result<Plan, SpawnError> {
    Plan::new(profile, "/proc/self/exe".into(), Rung::Basic, Limits::default(), inherited)
}

fn request() -> ProcessRequest {
    ProcessRequest { url: "http://127.0.0.1:1".into(), token: "cap".into(), label: "l".into() }
}

fn reason(command: &str) -> String {
    plan(profile(command)).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_name_is_looked_up_in_the_brokers_path_and_a_path_is_not() {
    assert_eq!(plan(profile("sh")).unwrap().program(), Path::new("/bin/sh"));
    assert_eq!(plan(profile("/bin/../bin/sh")).unwrap().program(), Path::new("/bin/../bin/sh"));
}

#[test]
fn a_program_that_cannot_run_is_named_with_the_reason_and_the_setting() {
    assert!(reason("no-such-program").contains("no-such-program: it is in no directory of the broker's PATH"));
    assert!(reason("/no/such/program").contains("No such file"));
    assert!(reason("/bin/").contains("not a file"));
    assert!(reason("/etc/passwd").contains("not executable"));
    assert!(reason("/etc/passwd").contains("worker-command"));
}

#[test]
fn a_program_that_vanished_after_the_start_is_noticed_before_a_process_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server");
    std::fs::copy("/bin/cat", &path).unwrap();
    let plan = plan(profile(path.to_str().unwrap())).unwrap();
    assert!(plan.command(&request()).is_ok());
    std::fs::remove_file(&path).unwrap();
    let text = plan.command(&request()).unwrap_err().to_string();
    assert!(text.contains("server") && text.contains("No such file"), "{text}");
}

#[test]
fn the_command_line_carries_neither_url_nor_token() {
    let plan = plan(profile("sh")).unwrap();
    let command = plan.command(&request()).unwrap();
    let line = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    assert!(line.starts_with("worker-launcher ") && line.ends_with("-- /bin/sh"), "{line}");
    assert!(!line.contains("cap") && !line.contains("127.0.0.1"), "{line}");
}

#[test]
fn the_environment_is_what_the_profile_names_and_nothing_else() {
    let plan = plan(WorkerProfile {
        env: BTreeMap::from([("FIXED".into(), "1".into())]),
        passthrough: vec!["LANG".into(), "NOT_THERE".into()],
        extra_token_vars: vec![
            TokenVar { name: "SAME".into(), distinct: false },
            TokenVar { name: "OTHER".into(), distinct: true },
        ],
        ..profile("sh")
    })
    .unwrap();
    let command = plan.command(&request()).unwrap();
    let mut environment: Vec<_> = command
        .get_envs()
        .map(|(name, value)| format!("{}={}", name.display(), value.unwrap_or_default().display()))
        .collect();
    environment.sort();
    let expected = [
        "FIXED=1",
        "FORGEJO_ACCESS_TOKEN=cap",
        "FORGEJO_URL=http://127.0.0.1:1",
        "LANG=C.UTF-8",
        "OTHER=cap ",
        "SAME=cap",
    ];
    assert_eq!(environment, expected);
}

#[test]
fn the_systems_limits_are_told_apart_from_a_broken_launcher() {
    let plan = plan(profile("sh")).unwrap();
    let error = |errno: rustix::io::Errno| plan.spawn_error(&errno.into());
    assert!(matches!(error(rustix::io::Errno::MFILE), SpawnError::Exhausted(_)));
    assert!(matches!(error(rustix::io::Errno::AGAIN), SpawnError::Exhausted(_)));
    assert!(error(rustix::io::Errno::NOENT).to_string().contains("/proc/self/exe"));
}
