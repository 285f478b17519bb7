//! `fjmcp-broker forgejo-app create`: from nothing to a broker that starts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use e2e::binaries::built;
use e2e::broker::{Broker, Settings, database, free_port};
use e2e::children::fixture;
use forgejo_sim::{RunningSim, Seed, SimConfig, Simulator};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How a call ended. Neither output may hold a secret, which every call checks.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

struct Place {
    sim: RunningSim,
    folder: tempfile::TempDir,
    settings: Settings,
    public: String,
}

impl Place {
    async fn new() -> Result<Self> {
        let sim = Simulator::start(SimConfig { seed: Seed::Demo, ..SimConfig::default() }).await?;
        let public = format!("http://127.0.0.1:{}", free_port()?);
        let settings = Settings::default().with("PUBLIC_URL", &public).with("FORGEJO_URL", sim.url());
        Ok(Self { sim, folder: tempfile::tempdir()?, settings, public })
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("env")
    }

    /// With `input` on standard input.
    async fn create(&self, arguments: &[&str], input: &str) -> Result<Ended> {
        let mut command = Command::new(built("fjmcp-broker")?);
        command
            .args(["forgejo-app", "create", "--env-file"])
            .arg(self.file())
            .args(arguments)
            .env_clear()
            .envs(self.settings.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        child.stdin.take().context("no stdin")?.write_all(input.as_bytes()).await.ok();
        let output = child.wait_with_output().await?;
        let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        for secret in self.sim.issued_secrets() {
            assert!(!stdout.contains(&secret.value) && !stderr.contains(&secret.value), "{:?} is told", secret.kind);
        }
        assert!(input.trim().is_empty() || !(stdout.clone() + &stderr).contains(input.trim()), "the input is repeated");
        Ok(Ended { code: output.status.code(), stdout, stderr })
    }

    fn token(&self, scope: &str) -> Result<String> {
        self.sim.create_personal_token("alice", &[scope]).context("no token")
    }

    fn password(&self, login: &str) -> Result<String> {
        let account = self.sim.accounts().into_iter().find(|account| account.login == login);
        Ok(account.context("no such account")?.password)
    }
}

fn settings_of(file: &Path) -> Result<Settings> {
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("FJMCP_BROKER_")?.split_once('='));
    Ok(lines.fold(Settings::default(), |settings, (name, value)| settings.with(name, value)))
}

#[tokio::test]
async fn a_broker_starts_with_the_file_that_was_written_and_a_user_can_log_in() -> Result<()> {
    let place = Place::new().await?;
    let token = place.token("write:user")?;
    let ended = place.create(&["--token-file", "-"], &format!("{token}\n")).await?;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert_eq!(place.file().metadata()?.permissions().mode() & 0o777, 0o600);

    let child = fixture("2.18.0")?;
    let port = place.public.rsplit(':').next().context("no port")?;
    let settings = settings_of(&place.file())?
        .with("LISTEN", format!("127.0.0.1:{port}"))
        .with("STORE_PATH", database(place.folder.path()).display().to_string())
        .with("WORKER_COMMAND", child.command.display().to_string());
    let application = place.sim.app(settings.get("FORGEJO_OAUTH_CLIENT_ID").context("no id")?).context("not made")?;
    assert!(application.confidential);
    assert_eq!(application.redirect_uris, [format!("{}/oauth/callback", place.public)]);
    assert_eq!(settings.get("REFRESH_REPLAY_WINDOW"), Some("120s"));
    let broker = Broker::start(&settings).await?;
    let client = e2e::oauth_client::OAuthClient::register(&broker.url, "e2e").await?;
    client.log_in(&e2e::browser::Browser::new()?, &e2e::browser::Person::named("bob")).await?;
    Ok(())
}

#[tokio::test]
async fn a_name_and_a_password_from_a_file_do_as_well() -> Result<()> {
    let place = Place::new().await?;
    let ended = place.create(&["--user", "alice", "--password-file", "-"], &place.password("alice")?).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn a_refused_login_leaves_nothing_behind_and_says_what_to_do() -> Result<()> {
    let place = Place::new().await?;
    let narrow = place.token("read:user")?;
    for (arguments, input, words) in [
        (&["--token-file", "-"][..], "not-a-token-of-anybody", "check the token"),
        (&["--token-file", "-"], narrow.as_str(), "write:user"),
        (&["--user", "alice", "--password-file", "-"], "wrong-password", "two-factor"),
        (&["--token-file", "-"], "", "is empty"),
        (&[], "", "as whom?"),
        (&["--user", "alice"], "", "--password-file"),
    ] {
        let ended = place.create(arguments, input).await?;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stdout);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
        assert!(!place.file().exists(), "{arguments:?}");
    }
    assert!(place.sim.requests().iter().all(|request| request.method != "POST" || request.status >= Some(400)));
    Ok(())
}

#[tokio::test]
async fn neither_a_file_nor_an_application_is_made_twice_unasked() -> Result<()> {
    let place = Place::new().await?;
    let token = place.token("write:user")?;
    assert_eq!(place.create(&["--token-file", "-"], &token).await?.code, Some(0));
    let before = std::fs::read_to_string(place.file())?;

    let again = place.create(&["--token-file", "-"], &token).await?;
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("--replace"), "{}", again.stderr);
    let known = place.create(&["--token-file", "-", "--replace"], &token).await?;
    assert!(known.stderr.contains("already") && known.stderr.contains("--again"), "{}", known.stderr);
    assert_eq!(std::fs::read_to_string(place.file())?, before);

    let another = place.create(&["--token-file", "-", "--replace", "--again"], &token).await?;
    assert_eq!(another.code, Some(0), "{}", another.stderr);
    let (old, new) = (before.lines(), std::fs::read_to_string(place.file())?);
    let changed: Vec<_> = old.zip(new.lines()).filter(|(old, new)| old != new).map(|(_, new)| new).collect();
    assert_eq!(changed.len(), 2, "only id and secret: {changed:?}");
    Ok(())
}

/// Every process of the machine can read a command line.
#[tokio::test]
async fn there_is_no_flag_that_takes_a_token_or_a_password() -> Result<()> {
    let place = Place::new().await?;
    for flag in ["--token=x", "--password=x"] {
        let ended = place.create(&[flag], "").await?;
        assert_eq!(ended.code, Some(2), "{flag}: {}", ended.stderr);
    }
    Ok(())
}
