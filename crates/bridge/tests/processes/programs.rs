//! Real programs on every rung: what the cage takes away, they must not need.
//!
//! Programs that are not there are said to be skipped: `FORGEJO_MCP_BINARY` (several, separated by colons) and
//! `FORGEJO_MCP_RS_BINARY` name them; the fixture child is taken from where this test was built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bridge::cage::{CageMode, Rung};
use bridge::process::{Process, ProcessRequest};
use bridge::profile::{Preset, WorkerProfile};
use bridge::spawn::{SpawnConfig, Spawner};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use crate::gateway::Gateway;
use crate::workers::{RUNGS, SHORT, config, line, lines, profile, request};

/// A worker, and the gateway it talks to.
struct Running {
    process: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    gateway: Arc<Gateway>,
    _listener: Box<dyn Send + Sync>,
}

// === impl Running ===

impl Running {
    /// `None` if this kernel does not have the rung.
    async fn start(profile: WorkerProfile, rung: Rung) -> Option<Self> {
        let gateway = Arc::new(Gateway::default());
        let (url, listener) = gateway.bind();
        let cage = if rung == Rung::None { CageMode::Off } else { CageMode::Auto };
        let config = SpawnConfig { cage, highest_rung: rung, listeners: Some(gateway.clone()), ..config() };
        let spawner = Spawner::start(profile, config).unwrap();
        if spawner.rung() < rung {
            println!("rung {} can't be had here: {}", rung.number(), spawner.next_rung().unwrap_or_default());
            return None;
        }
        let mut process = spawner.spawn(ProcessRequest { url, ..request() }).await.unwrap();
        let (stdin, stdout) = (process.stdin.take().unwrap(), lines(&mut process));
        Some(Self { process, stdin, stdout, gateway, _listener: listener })
    }

    async fn tell(&mut self, message: Value) {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The result of a request; what else the worker says is passed over.
    async fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.tell(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        loop {
            let text = line(&mut self.stdout).await;
            let message: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method}: {text:?}"));
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn end(self) {
        let gateway = Arc::clone(&self.gateway);
        drop((self.stdin, self._listener));
        let report = self.process.stop(Duration::from_secs(10)).await;
        assert_eq!(report.signal, None, "it ends by itself: {report:?}");
        assert_eq!(gateway.open(), 0, "the listener in its network is closed with it");
    }
}

fn named(variable: &str) -> Vec<PathBuf> {
    let paths = std::env::var_os(variable).map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>());
    let paths = paths.unwrap_or_default();
    if paths.is_empty() {
        println!("{variable} is not set: skipped");
    }
    paths
}

fn forgejo_mcps() -> Vec<(WorkerProfile, &'static str, Value)> {
    let with =
        |preset: Preset, path: &Path| WorkerProfile { command: path.to_str().unwrap().into(), ..preset.profile() };
    let mut programs = Vec::new();
    let own = std::env::current_exe().unwrap();
    let fixture = own.parent().and_then(Path::parent).map(|directory| directory.join("fixture-child")).unwrap();
    if fixture.exists() {
        programs.push((with(Preset::ForgejoMcp, &fixture), "get_my_user_info", json!({})));
    } else {
        println!("fixture-child is not built: skipped");
    }
    for path in named("FORGEJO_MCP_BINARY") {
        programs.push((with(Preset::ForgejoMcp, &path), "get_my_user_info", json!({})));
    }
    for path in named("FORGEJO_MCP_RS_BINARY") {
        let arguments = json!({"owner": "alice", "repo": "priv", "index": 1});
        programs.push((with(Preset::ForgejoMcpRs, &path), "list_issue_comments", arguments));
    }
    programs
}

pub(crate) async fn forgejo_mcp_and_its_kin_live_on_every_rung() {
    for (profile, tool, arguments) in forgejo_mcps() {
        for rung in RUNGS {
            let Some(mut worker) = Running::start(profile.clone(), rung).await else { continue };
            let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
            let greeting = worker.ask(1, "initialize", hello).await;
            assert!(greeting["result"]["serverInfo"]["name"].is_string(), "{greeting}");
            worker.tell(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
            let tools = worker.ask(2, "tools/list", json!({})).await;
            assert!(tools["result"]["tools"].as_array().unwrap().len() > 20, "{}", profile.command);
            let before = worker.gateway.requests();
            let answer = worker.ask(3, "tools/call", json!({"name": tool, "arguments": arguments})).await;
            assert!(answer["result"].is_object(), "{answer}");
            assert!(worker.gateway.requests() > before, "rung {}: {answer}", rung.number());
            println!("{} lives on rung {}", profile.command, rung.number());
            worker.end().await;
        }
    }
}

/// Both fetch from the gateway, start a process, and tell what came of it, or of the attempt.
const NODE: &str = r"
const { spawnSync } = require('node:child_process');
fetch(process.env.FORGEJO_URL + '/api/v1/version').then((answer) => answer.json()).then(({ version }) => {
    const child = spawnSync(process.execPath, ['-p', '6 * 7']);
    console.log(JSON.stringify({ version, child: child.error ? child.error.code : String(child.stdout).trim() }));
    process.stdin.resume();
});";

const PYTHON: &str = r"
import errno, json, os, subprocess, sys, urllib.request
version = json.load(urllib.request.urlopen(os.environ['FORGEJO_URL'] + '/api/v1/version'))['version']
try:
    child = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout.strip()
except OSError as error:
    child = errno.errorcode[error.errno]
print(json.dumps({'version': version, 'child': child}), flush=True)
sys.stdin.read()";

/// The program itself, behind whatever shim PATH leads to, and where its modules are.
fn interpreter(name: &str, args: &[&str]) -> Option<Vec<PathBuf>> {
    let output = Command::new(name).args(args).output().ok().filter(|output| output.status.success());
    if output.is_none() {
        println!("{name} does not run here: skipped");
    }
    Some(String::from_utf8(output?.stdout).unwrap().lines().map(PathBuf::from).collect())
}

pub(crate) async fn interpreters_live_on_every_rung_with_what_their_profile_allows() {
    let node = interpreter("node", &["-p", "process.execPath"]).map(|paths| (paths, vec!["-e", NODE]));
    let script = "import sys; print(sys.executable); print(sys.base_prefix); print(sys.prefix)";
    let python = interpreter("python3", &["-c", script]).map(|paths| (paths, vec!["-c", PYTHON]));
    for (paths, args) in [node, python].into_iter().flatten() {
        for (rung, may_fork) in RUNGS.into_iter().flat_map(|rung| [(rung, false), (rung, true)]) {
            let profile = WorkerProfile {
                allowed_paths: paths[1..].to_vec(),
                may_fork,
                ..profile(paths[0].to_str().unwrap(), &args)
            };
            let Some(mut worker) = Running::start(profile, rung).await else { continue };
            let told: Value = serde_json::from_str(&line(&mut worker.stdout).await).unwrap_or_default();
            let child = if may_fork || rung < Rung::Sealed { "42" } else { "EPERM" };
            assert_eq!(
                told,
                json!({"version": "11.0.15+gitea-1.22.0", "child": child}),
                "{} on rung {}: {:?}",
                paths[0].display(),
                rung.number(),
                worker.process.stop(SHORT).await
            );
            worker.end().await;
        }
    }
}
