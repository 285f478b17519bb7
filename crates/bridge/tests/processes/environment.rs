use std::collections::BTreeMap;
use std::fs;

use bridge::cage::{CageMode, Limits, Rung};
use bridge::profile::{TokenVar, WorkerProfile};

use crate::workers::{NEVER, TOKEN, URL, everything, lines, profile, request, script, spawner_with_cage, start};

pub(crate) async fn a_worker_sees_exactly_the_environment_of_its_profile() {
    let mut worker = start(WorkerProfile {
        env: BTreeMap::from([("FIXED".into(), "one two".into())]),
        passthrough: vec!["PATH".into(), "NO_SUCH_VARIABLE".into()],
        extra_token_vars: vec![TokenVar { name: "WRITE_TOKEN".into(), distinct: true }],
        ..profile("/usr/bin/env", &["-0"])
    })
    .await;

    let text = everything(lines(&mut worker)).await;

    let mut seen: Vec<&str> = text.split_terminator('\0').collect();
    seen.sort_unstable();
    let path = format!("PATH={}", std::env::var("PATH").unwrap());
    let [token, write, url] =
        [format!("FORGEJO_ACCESS_TOKEN={TOKEN}"), format!("WRITE_TOKEN={TOKEN} "), format!("FORGEJO_URL={URL}")];
    assert_eq!(seen, ["FIXED=one two", &token, &url, &path, &write]);
}

const ABOUT_ITSELF: &str =
    "umask; pwd; ulimit -c; ulimit -n; ulimit -f; ulimit -d; cat /proc/self/status; echo pid=$$; cat /proc/$$/stat";

pub(crate) async fn a_worker_runs_in_a_prepared_process() {
    let limits = Limits::default();
    let spawner = spawner_with_cage(script(ABOUT_ITSELF), CageMode::Auto);
    assert!(spawner.rung() >= Rung::Basic);
    let mut worker = spawner.spawn(request()).await.unwrap();
    let text = everything(lines(&mut worker)).await;
    let told: Vec<&str> = text.lines().collect();
    let files = limits.open_files.to_string();
    // sh counts in blocks of 512 bytes and in KiB.
    let (file_size, data) = ((limits.file_size_bytes / 512).to_string(), (limits.data_bytes / 1024).to_string());
    assert_eq!(told[..6], ["0077", "/", "0", &files, &file_size, &data]);
    assert_eq!(status(&text, "NoNewPrivs"), "1");
    let ignored = u64::from_str_radix(&status(&text, "SigIgn"), 16).unwrap();
    // Signals 32 and 33 belong to the C library.
    assert_eq!(ignored & !(0b11 << 31), 0, "an ignored SIGPIPE would be inherited");
    assert_eq!(status(&text, "SigBlk"), "0000000000000000");
    let pid = worker.pid.to_string();
    assert!(told.contains(&format!("pid={pid}").as_str()), "the launcher has become the program");
    let stat: Vec<&str> = told.last().unwrap().split(' ').collect();
    assert_eq!([stat[0], stat[4]], [pid.as_str(), pid.as_str()], "it leads its group");
}

pub(crate) async fn with_the_cage_off_a_worker_is_still_set_apart() {
    let spawner = spawner_with_cage(script(ABOUT_ITSELF), CageMode::Off);
    assert_eq!(spawner.rung(), Rung::None);
    let mut worker = spawner.spawn(request()).await.unwrap();
    let text = everything(lines(&mut worker)).await;
    assert_eq!(status(&text, "NoNewPrivs"), own_status("NoNewPrivs"));
    let told: Vec<&str> = text.lines().collect();
    assert_eq!(told[..3], ["0077", "/", "0"], "umask, directory, core dumps");
}

pub(crate) async fn the_command_line_and_the_descriptors_carry_no_secret() {
    let profile =
        |command, args: &[&str]| WorkerProfile { allowed_paths: vec!["/proc".into()], ..profile(command, args) };
    let mut worker = start(profile("/bin/cat", &["-", "/proc/self/cmdline"])).await;
    drop(worker.stdin.take());
    let text = everything(lines(&mut worker)).await;
    assert_eq!(text, "/bin/cat\0-\0/proc/self/cmdline\0");
    worker.stop(NEVER).await;

    // What the broker has open is not handed down: standard streams, and the directory that ls reads.
    let directory = tempfile::tempdir().unwrap();
    let _open = fs::File::create(directory.path().join("open")).unwrap();
    let mut worker = start(profile("/bin/ls", &["/proc/self/fd"])).await;
    assert_eq!(everything(lines(&mut worker)).await, "0\n1\n2\n3\n");
}

fn status(text: &str, field: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

fn own_status(field: &str) -> String {
    status(&fs::read_to_string("/proc/self/status").unwrap(), field)
}
