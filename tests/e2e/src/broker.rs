//! The broker as a process: started with settings, watched on stderr, stopped or killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::binaries::built;
use crate::issued::{Source, Watched};

/// Settings by their environment names without the `FJMCP_BROKER_` prefix.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<(String, String)>);

/// A running broker.
pub struct Broker {
    child: Child,
    /// Its public URL.
    pub url: String,
    /// Its process id.
    pub pid: u32,
    lines: Arc<Mutex<Vec<String>>>,
    news: watch::Receiver<usize>,
    /// Disconnected once all that it wrote has been read.
    outputs_ended: Mutex<mpsc::Receiver<()>>,
    watched: Watched,
}

/// How long the rest of its output may take once it has ended.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(20);

// === impl Settings ===

impl Settings {
    /// Adds or replaces a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds or replaces a setting.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Adds or replaces all of `more`.
    pub fn extend(&mut self, more: Self) {
        for (name, value) in more.0 {
            self.set(&name, value);
        }
    }

    /// The same without a setting.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// As variables of the environment.
    pub fn variables(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(name, value)| (format!("FJMCP_BROKER_{name}"), value.as_str()))
    }

    /// A setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

// === impl Broker ===

impl Broker {
    /// Starts the built broker and waits until it answers `/healthz`.
    ///
    /// # Errors
    /// When it exits first; its stderr is in the error.
    pub async fn start(settings: &Settings) -> Result<Self> {
        let mut broker = Self::spawn(settings)?;
        broker.wait_until_healthy().await?;
        Ok(broker)
    }

    /// Starts one of several brokers of one public URL, and waits until it answers at its own.
    ///
    /// # Errors
    /// When it exits first; its stderr is in the error.
    pub async fn start_at(url: &str, settings: &Settings) -> Result<Self> {
        let mut broker = Self::spawn(settings)?;
        url.clone_into(&mut broker.url);
        broker.wait_until_healthy().await?;
        Ok(broker)
    }

    /// Starts the built broker with nothing in its environment but `settings`.
    ///
    /// # Errors
    /// When it cannot be started at all.
    pub fn spawn(settings: &Settings) -> Result<Self> {
        let program = built("fjmcp-broker")?;
        let url = settings.get("PUBLIC_URL").unwrap_or_default().to_owned();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            // Brokers that run side by side would fight over the default address.
            .env("FJMCP_BROKER_METRICS_LISTEN", "off")
            .envs(settings.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the broker")?;
        let pid = child.id().context("the broker has no process id")?;
        let stderr = std::fs::File::from(child.stderr.take().context("the broker has no stderr")?.into_owned_fd()?);
        let stdout = std::fs::File::from(child.stdout.take().context("the broker has no stdout")?.into_owned_fd()?);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, news) = watch::channel(0);
        let (ending, outputs_ended) = mpsc::channel();
        // Threads and not tasks, so that the last line is read even when the runtime has ended.
        for output in [stderr, stdout] {
            let (collected, sender, ending) = (Arc::clone(&lines), sender.clone(), ending.clone());
            std::thread::spawn(move || {
                let _until_here: mpsc::Sender<()> = ending;
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if std::env::var_os("E2E_SHOW_LOG").is_some() {
                        eprintln_line(&line);
                    }
                    collected.lock().push(line);
                    sender.send_modify(|count| *count += 1);
                }
            });
        }
        let watched = Watched::from_now_on();
        Ok(Self { child, url, pid, lines, news, outputs_ended: Mutex::new(outputs_ended), watched })
    }

    /// Its output is searched for what this source knows, too.
    pub fn watch_for(&mut self, source: Source) {
        self.watched.add(source);
    }

    /// Its output is searched for everything that another one's is: the one that comes after it with the same state.
    pub fn watch_like(&mut self, other: &Self) {
        self.watched = other.watched.clone();
    }

    async fn wait_until_healthy(&mut self) -> Result<()> {
        let client = http_client()?;
        let health = format!("{}/healthz", self.url);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(response) = client.get(&health).send().await
                && response.status().is_success()
            {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                bail!("the broker exited with {status}:\n{}", self.log());
            }
            if tokio::time::Instant::now() > deadline {
                bail!("the broker did not become healthy:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything it has written to stderr.
    #[must_use]
    pub fn log(&self) -> String {
        self.lines.lock().join("\n")
    }

    /// Waits for a line of stderr that contains `text`.
    ///
    /// # Errors
    /// When none comes within 20 s.
    pub async fn wait_for_line(&self, text: &str) -> Result<String> {
        let mut news = self.news.clone();
        let found = async {
            loop {
                news.borrow_and_update();
                if let Some(line) = self.lines.lock().iter().find(|line| line.contains(text)) {
                    return Ok(line.clone());
                }
                news.changed().await.context("the broker's stderr ended")?;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.with_context(|| format!("no line with {text:?}"))?
    }

    /// Stops it; everything that it has written to stderr from start to end.
    ///
    /// # Errors
    /// When it does not end within 30 s.
    pub async fn whole_log(&mut self) -> Result<String> {
        self.terminate().await?;
        let ended = async { while self.news.changed().await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(20), ended).await.context("its stderr did not end")?;
        Ok(self.log())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the broker")
    }

    /// SIGTERM, and its end.
    ///
    /// # Errors
    /// When it does not end within 30 s.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(rustix::process::Signal::TERM)?;
        self.wait().await
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid)?).context("no process id")?;
        rustix::process::kill_process(pid, signal).context("cannot signal the broker")
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within 30 s.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        Ok(ended.context("the broker did not end")??)
    }

    /// Its living children.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        children_of(self.pid)
    }
}

impl Drop for Broker {
    /// Searches all that it has written for every secret that was issued (B22), whatever the test was about.
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.start_kill();
        let ended = self.outputs_ended.lock().recv_timeout(OUTPUT_PATIENCE);
        if std::thread::panicking() {
            return;
        }
        assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "somebody keeps the output of the broker open");
        let log = self.log();
        let found = self.watched.in_text(log.as_bytes());
        let place = |name: &String| log.lines().find(|line| self.watched.in_text(line.as_bytes()).contains(name));
        let places: Vec<_> = found.iter().map(|name| (name, place(name))).collect();
        assert!(found.is_empty(), "the broker has printed secrets: {places:#?}");
    }
}

/// Living processes whose parent is `pid`; zombies do not count.
#[must_use]
pub fn children_of(pid: u32) -> Vec<u32> {
    processes().filter(|(_, parent, state)| *parent == pid && *state != 'Z').map(|(pid, _, _)| pid).collect()
}

/// Whether a process lives; a zombie does not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    processes().any(|(known, _, state)| known == pid && state != 'Z')
}

/// Zombies whose parent is `pid`.
#[must_use]
pub fn zombies_of(pid: u32) -> Vec<u32> {
    processes().filter(|(_, parent, state)| *parent == pid && *state == 'Z').map(|(pid, _, _)| pid).collect()
}

fn processes() -> impl Iterator<Item = (u32, u32, char)> {
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = stat.rsplit_once(") ")?.1;
        let mut fields = rest.split(' ');
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        Some((pid, parent, state))
    })
}

/// An HTTP client that follows nothing and uses no proxy.
///
/// # Errors
/// When TLS cannot be set up.
pub fn http_client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_mins(1))
        .build()
        .context("cannot build an HTTP client")
}

/// A port on which nobody listens at present, and which no other call in this process gets.
///
/// Below the range from which the system takes ports of outgoing connections, so that it is still free when a broker comes back to it.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 16_384;
    const PORTS: u32 = 16_384;
    // Processes that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(257);
    for _ in 0..PORTS {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(port)?;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

/// A state folder's database file.
#[must_use]
pub fn database(folder: &Path) -> PathBuf {
    folder.join("broker.db")
}

#[expect(clippy::print_stderr, reason = "asked for by E2E_SHOW_LOG, for whoever looks for a fault")]
fn eprintln_line(line: &str) {
    eprintln!("broker: {line}");
}
