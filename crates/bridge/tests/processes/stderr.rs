use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::fmt::MakeWriter;

use crate::workers::{TOKEN, everything, line, lines, script, start};

/// The log of this process, as it would be written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Set once for the process: the lines come from tasks on any thread.
fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(log.clone())
            .init();
        log
    });
    log.0.lock().unwrap().clear();
    log.clone()
}

pub(crate) async fn stderr_is_logged_with_its_label_and_without_secrets() {
    let log = log();
    let text = r#"
        printf '\033[31mERROR\033[0m refused %s here\n' "$FORGEJO_ACCESS_TOKEN" >&2
        echo 'sent Authorization: token gto_0123456789abcdef to it' >&2
        echo 'got eyJhbGciOiJSUzI1NiJ9.eyJnbnQiOjF9.c2lnbmF0dXJl back' >&2
        printf 'the last line has no newline' >&2"#;
    let worker = start(script(text)).await;
    worker.exit.ended().await.unwrap();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();

    let lines: Vec<&str> = text.lines().filter(|line| line.contains("worker.stderr")).collect();
    for (line, shown) in lines.iter().zip([
        "ERROR refused [hidden] here",
        "sent Authorization: [hidden]",
        "got [hidden] back",
        "the last line has no newline",
    ]) {
        assert!(line.contains("DEBUG") && line.contains("worker-7") && line.contains(shown), "{line}");
    }
    assert_eq!(lines.len(), 4, "{text}");
    for secret in [TOKEN, "gto_", "eyJ", "\u{1b}"] {
        assert!(!text.contains(secret), "{secret:?} in {text}");
    }
}

pub(crate) async fn the_exit_report_has_the_last_message() {
    let text = r#"
        echo 'first line' >&2
        printf 'FATAL bad token %s\nmain.main\n\tmain.go:17\n' "$FORGEJO_ACCESS_TOKEN" >&2
        exit 3"#;
    let worker = start(script(text)).await;
    let report = worker.exit.ended().await.unwrap();
    assert_eq!((report.code, report.signal), (Some(3), None));
    assert_eq!(report.last_stderr_line.as_deref(), Some("FATAL bad token [hidden]"));
}

pub(crate) async fn a_flood_on_stderr_does_not_block_the_worker() {
    let mut worker = start(script("head -c 3000000 /dev/zero >&2; echo done; echo 'after the flood' >&2")).await;
    assert_eq!(everything(lines(&mut worker)).await, "done\n");
    let report = worker.exit.ended().await.unwrap();
    assert_eq!(report.code, Some(0));
    let last = report.last_stderr_line.as_deref().unwrap();
    assert!(last.chars().count() < 3000, "{} characters", last.chars().count());
}

pub(crate) async fn a_process_that_escaped_with_the_pipe_does_not_delay_the_report_for_ever() {
    let mut worker = start(script("echo 'it is over' >&2; setsid sh -c 'echo $$; exec sleep 600' & wait")).await;
    let mut stdout = lines(&mut worker);
    let escaped: i32 = line(&mut stdout).await.parse().unwrap();

    let report = worker.stop(std::time::Duration::ZERO).await;

    assert_eq!(report.last_stderr_line.as_deref(), Some("it is over"));
    rustix::process::kill_process(rustix::process::Pid::from_raw(escaped).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
}
