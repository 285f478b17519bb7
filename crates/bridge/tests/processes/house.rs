//! A broker's process with everything around it that a hostile worker would like to have. Runs as a process of its own,
//! because it inherits and ends what its workers leave behind.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bridge::cage::{CageMode, Rung, harden_self};
use bridge::observer::NoObserver;
use bridge::orphans::{OrphanReaper, become_subreaper};
use bridge::process::{Process, ProcessRequest};
use bridge::profile::WorkerProfile;
use bridge::spawn::{SpawnConfig, Spawner};
use hostile_child::{Outcome, Report, Targets};
use tokio::io::AsyncBufReadExt;

use crate::endless;
use crate::gateway::Gateway;
use crate::roles;
use crate::workers::{RUNGS, SHORT, config, line, lines, profile, request};

/// How long the broker may take to find out.
const PATIENCE: Duration = Duration::from_mins(1);

/// One broker on one rung.
struct House {
    rung: Rung,
    gateway: Arc<Gateway>,
    url: String,
}

/// Tries everything from workers on the rung of that number, and prints a [`Report`] for each attempt. The first one says
/// which rung could be had.
pub(crate) async fn run(rung: &str) {
    harden_self().unwrap();
    become_subreaper().unwrap();
    let _reaper = OrphanReaper::start(Arc::new(NoObserver)).unwrap().unwrap();
    let gateway = Arc::new(Gateway::default());
    let (url, _listener) = gateway.bind();
    let house = House { rung: RUNGS[rung.parse::<usize>().unwrap()], gateway, url };

    let victim = house.worker(&["wait"], false).await;
    let spawner = house.spawner(&["wait"], false);
    let got = spawner.rung();
    say("rung", Outcome::Open, spawner.next_rung().unwrap_or_default());
    if got == house.rung {
        house.attempts(victim.pid).await;
        house.stubborn().await;
        house.orphans("orphans", false).await;
        house.orphans("orphans-may-fork", true).await;
        house.hold("fork-bomb", "processes", false).await;
        house.hold("threads", "threads", false).await;
        house.hold("fork-bomb-may-fork", "processes", true).await;
        house.endless_line().await;
    } else {
        say("rung", Outcome::Refused, spawner.next_rung().unwrap_or("nobody knows why"));
    }
    drop(victim);
}

fn say(attempt: &str, outcome: Outcome, detail: &str) {
    let report = Report { attempt: attempt.to_owned(), outcome, detail: detail.to_owned() };
    println!("{}", serde_json::to_string(&report).unwrap());
    std::io::stdout().flush().unwrap();
}

// === impl House ===

impl House {
    fn spawner(&self, args: &[&str], may_fork: bool) -> Spawner {
        let own = std::env::current_exe().unwrap();
        let role = [roles::SUBCOMMAND, "hostile"];
        let hostile = WorkerProfile { may_fork, ..profile(own.to_str().unwrap(), &[&role, args].concat()) };
        let cage = if self.rung == Rung::None { CageMode::Off } else { CageMode::Auto };
        let listeners = Some(self.gateway.clone() as _);
        let config = SpawnConfig { cage, highest_rung: self.rung, listeners, ..config() };
        Spawner::start(hostile, config).unwrap()
    }

    async fn worker(&self, args: &[&str], may_fork: bool) -> Process {
        let request = ProcessRequest { url: self.url.clone(), ..request() };
        self.spawner(args, may_fork).spawn(request).await.unwrap()
    }

    async fn attempts(&self, victim: u32) {
        let directory = tempfile::tempdir().unwrap();
        let targets = self.targets(directory.path(), victim);
        let mut worker = self.worker(&["attempts", &serde_json::to_string(&targets).unwrap()], false).await;
        let mut reports = lines(&mut worker).lines();
        while let Some(report) = reports.next_line().await.unwrap() {
            println!("{report}");
        }
    }

    /// Opens all that is to be attacked. It stays open as long as this process.
    fn targets(&self, directory: &Path, victim: u32) -> Targets {
        let [store, path_socket, path_datagrams] =
            ["store.db", "listens", "datagrams"].map(|name| directory.join(name));
        fs::write(&store, "secret").unwrap();
        fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
        let gateway: SocketAddr = self.url.strip_prefix("http://").unwrap().parse().unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let same_port = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), gateway.port())).unwrap();
        let abstract_socket = format!("hostile-child-test-{}", std::process::id());
        let name = UnixAddress::from_abstract_name(&abstract_socket).unwrap();
        let targets = Targets {
            store,
            broker: std::process::id().cast_signed(),
            worker: victim.cast_signed(),
            tcp: tcp.local_addr().unwrap(),
            udp: udp.local_addr().unwrap(),
            same_port: same_port.local_addr().unwrap(),
            gateway,
            path_socket: path_socket.clone(),
            path_datagrams: path_datagrams.clone(),
            abstract_socket,
        };
        let kept = (
            tcp,
            same_port,
            UnixListener::bind(path_socket).unwrap(),
            UnixDatagram::bind(path_datagrams).unwrap(),
            UnixListener::bind_addr(&name).unwrap(),
        );
        std::mem::forget(kept);
        thread::spawn(move || {
            let mut bytes = [0; 16];
            while let Ok((length, from)) = udp.recv_from(&mut bytes) {
                udp.send_to(&bytes[..length], from).unwrap();
            }
        });
        targets
    }

    /// Takes what it can get and keeps it. Too much, and the broker ends it, where the kernel has not refused it already.
    async fn hold(&self, key: &str, what: &str, may_fork: bool) {
        let mut worker = self.worker(&["hold", what], may_fork).await;
        let text = line(&mut lines(&mut worker)).await;
        // On a slow machine it is ended before it can tell.
        let untold = || Report { attempt: key.to_owned(), outcome: Outcome::Open, detail: format!("many {what}") };
        let mut report: Report = serde_json::from_str(&text).unwrap_or_else(|_| untold());
        if report.outcome == Outcome::Open && self.rung > Rung::None {
            let ended = tokio::time::timeout(PATIENCE, worker.exit.ended()).await;
            if ended.ok().flatten().is_some_and(|ended| ended.signal.is_some()) {
                report.outcome = Outcome::Refused;
                report.detail.push_str(", then ended by the broker");
            }
        }
        say(key, report.outcome, &report.detail);
        worker.stop(SHORT).await;
    }

    async fn endless_line(&self) {
        let status = endless::endure(self.spawner(&["endless-line"], false), &self.url).await;
        assert_eq!(status, 503);
        say("endless-line", Outcome::Refused, "thrown away from the cap on, the worker ended");
    }

    async fn stubborn(&self) {
        let own = std::process::id().to_string();
        let mut worker = self.worker(&["stubborn", &own], false).await;
        let group = line(&mut lines(&mut worker)).await;
        let strayed = if group == worker.pid.to_string() { "stayed in its group" } else { "left its group" };
        let report = worker.stop(SHORT).await;
        assert_eq!(report.signal, Some(9), "{report:?}");
        say("stubborn", Outcome::Refused, &format!("{strayed}, ended by SIGKILL"));
    }

    /// Where it may fork, the cage does not keep a worker from leaving processes behind; they have to end with it.
    async fn orphans(&self, key: &str, may_fork: bool) {
        let mut worker = self.worker(&["orphans"], may_fork).await;
        let mut stdout = lines(&mut worker);
        let mut orphans = Vec::new();
        loop {
            let pid = line(&mut stdout).await;
            if pid == "0" {
                break;
            }
            orphans.push(Path::new("/proc").join(pid));
        }
        assert!(orphans.iter().all(|orphan| orphan.exists()), "they live as long as it does");
        let count = orphans.len();
        worker.stop(SHORT).await;
        while orphans.iter().any(|orphan| orphan.exists()) {
            tokio::task::yield_now().await;
        }
        let detail = if count == 0 { "none could be started".to_owned() } else { format!("{count} ended with it") };
        say(key, Outcome::Refused, &detail);
    }
}

/// The worker's side.
pub(crate) fn hostile(args: &[String]) -> std::process::ExitCode {
    let own = std::env::current_exe().unwrap().into_os_string();
    hostile_child::run(&[own, roles::SUBCOMMAND.into(), "hostile".into()], args)
}
