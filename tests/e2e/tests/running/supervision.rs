//! What a supervisor such as systemd sees and does: readiness, reloads, watchdog, sockets that outlive the program.

use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::binaries::built;
use e2e::broker::{Settings, http_client};
use e2e::children::fixture;
use e2e::mcp::{Mcp, request};
use e2e::stack::{Stack, until_ok};
use reqwest::StatusCode;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::process::{Child, Command};

/// The broker as a child of a shell that hands it things as systemd does.
struct Service {
    child: Child,
}

impl Service {
    fn start(settings: &Settings, socket: Option<&TcpListener>, notify: Option<&str>) -> Result<Self> {
        // Not sh: Debian's knows descriptors of one digit only.
        let mut command = Command::new("bash");
        let passed = socket.map(|socket| {
            // The child keeps what is not closed at exec.
            fcntl_setfd(socket, FdFlags::empty()).map(|()| socket.as_raw_fd())
        });
        let script = match passed.transpose()? {
            Some(fd) => format!("exec 3<&{fd}; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\""),
            None => "exec \"$@\"".to_owned(),
        };
        command
            .args(["-c", &script, "bash"])
            .arg(built("fjmcp-broker")?)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("FJMCP_BROKER_METRICS_LISTEN", "off")
            .envs(settings.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(path) = notify {
            command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "600000");
        }
        Ok(Self { child: command.spawn()? })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.id().context("it has ended")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("no process id")?;
        Ok(kill_process(pid, signal)?)
    }

    async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let ended =
            tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await.context("it did not end")??;
        ensure!(ended.code() == Some(0), "{ended}");
        Ok(())
    }
}

/// What has been told since the last time, as lines; waits for `line`.
async fn told(socket: &UnixDatagram, line: &str) -> Result<Vec<String>> {
    socket.set_nonblocking(true)?;
    let mut lines = Vec::new();
    let mut buffer = [0; 4096];
    for _ in 0..3000 {
        match socket.recv(&mut buffer) {
            Ok(length) => lines.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error.into()),
        }
        if lines.iter().any(|told| told.starts_with(line)) {
            return Ok(lines);
        }
    }
    bail!("{line} was not told; only {lines:?}")
}

#[tokio::test]
async fn systemd_hears_of_the_start_reloads_the_watchdog_and_the_end() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    let path = stack.state.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path)?;
    let service = Service::start(&stack.settings, None, Some(&path.display().to_string()))?;
    told(&socket, "READY=1").await?;
    let health = http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
    ensure!(health.status() == StatusCode::OK, "it said that it is ready");
    told(&socket, "WATCHDOG=1").await?;
    service.signal(Signal::HUP)?;
    let lines = told(&socket, "RELOADING=1").await?;
    let lines = if lines.iter().any(|line| line.starts_with("MONOTONIC_USEC=")) {
        lines
    } else {
        told(&socket, "MONOTONIC_USEC=").await?
    };
    let time = lines.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).context("no time")?;
    ensure!(time.parse::<u64>()? > 0);
    told(&socket, "READY=1").await?;
    service.signal(Signal::TERM)?;
    told(&socket, "STOPPING=1").await?;
    Ok(())
}

#[tokio::test]
async fn whoever_connects_while_it_restarts_waits_and_is_served_and_no_call_is_lost() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    stack.broker.terminate().await?;
    let socket = TcpListener::bind(stack.broker.url.trim_start_matches("http://"))?;
    let refused = restart_under_load(&stack, mcp, Some(&socket)).await?;
    ensure!(refused == 0, "{refused} connections were refused although the socket was there all the time");
    Ok(())
}

#[tokio::test]
async fn without_a_socket_of_systemds_a_restart_loses_neither_session_nor_answer() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    stack.broker.terminate().await?;
    restart_under_load(&stack, mcp, None).await?;
    Ok(())
}

/// Restarts the broker three times while four lanes call in one session. How many connections were refused.
async fn restart_under_load(stack: &Stack, mcp: Mcp, socket: Option<&TcpListener>) -> Result<usize> {
    let mut service = Service::start(&stack.settings, socket, None)?;
    let (mcp, stop) = (Arc::new(mcp), Arc::new(AtomicBool::new(false)));
    let lanes: Vec<_> = (0..4)
        .map(|lane| {
            let (mcp, stop) = (Arc::clone(&mcp), Arc::clone(&stop));
            tokio::spawn(async move { ask_until(&mcp, lane, &stop).await })
        })
        .collect();
    for _ in 0..3 {
        until_ok("it serves", || async {
            let answer = http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
            ensure!(answer.status() == StatusCode::OK);
            Ok(())
        })
        .await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        service.stop().await?;
        service = Service::start(&stack.settings, socket, None)?;
    }
    let last = mcp.clone();
    until_ok("the session is there at the end", || async {
        let answer = last.post(&request(&json!("last"), "tools/list", &json!({}))).await?;
        ensure!(answer.status == StatusCode::OK, "{}", answer.status);
        Ok(())
    })
    .await?;
    stop.store(true, Ordering::Relaxed);
    let (mut answered, mut refused) = (0, 0);
    for lane in lanes {
        let (of_lane, of_lane_refused) = lane.await??;
        answered += of_lane;
        refused += of_lane_refused;
    }
    ensure!(answered >= 12, "only {answered} calls were answered");
    service.stop().await?;
    Ok(refused)
}

/// Calls again and again in one session. Each call is answered whole, or refused with a word that says to try again, or gets no answer at all
/// because its connection ended as it was sent; the session is known at any time. How many were answered, and how many could not connect.
async fn ask_until(mcp: &Mcp, lane: usize, stop: &AtomicBool) -> Result<(usize, usize)> {
    let (mut answered, mut refused, mut number) = (0, 0, 0);
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let id = format!("{lane}-{number}");
        let answer = match mcp.post(&request(&json!(id), "tools/list", &json!({}))).await {
            Ok(answer) => answer,
            Err(error) => {
                let sent = error.downcast_ref::<reqwest::Error>().context("no transport error")?;
                ensure!(sent.is_connect() || sent.is_request(), "an answer broke off: {error:#}");
                refused += usize::from(sent.is_connect());
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        match answer.status {
            StatusCode::OK => {
                ensure!(answer.body.contains(&id), "{}", answer.body);
                ensure!(answer.body.contains("\"result\"") || answer.body.contains("shutting down"), "{}", answer.body);
                answered += 1;
            }
            StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(Duration::from_millis(20)).await,
            other => bail!("{other}: {}", answer.body),
        }
    }
    Ok((answered, refused))
}

#[tokio::test]
async fn a_passed_descriptor_that_is_no_socket_ends_the_start() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec 3</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"", "sh"])
        .arg(built("fjmcp-broker")?)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(stack.settings.variables());
    let output = tokio::time::timeout(Duration::from_mins(1), command.output()).await??;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && told.contains("ListenStream="), "{told}");
    Ok(())
}

#[tokio::test]
async fn sockets_meant_for_another_process_are_left_alone() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    // No process has this id that would be the broker's.
    let settings = stack.settings.clone();
    let mut command = Command::new(built("fjmcp-broker")?);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("FJMCP_BROKER_METRICS_LISTEN", "off")
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .envs(settings.variables())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let _child = command.spawn()?;
    until_ok("it listens by itself", || async {
        let answer = http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
        ensure!(answer.status() == StatusCode::OK);
        Ok(())
    })
    .await
}
