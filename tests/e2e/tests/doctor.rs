//! `fjmcp-broker doctor`, run beside brokers that are set up well or wrongly, and alone.

mod alone;
mod forgejo;
mod healthy;
mod local;
mod way;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, free_port};
use e2e::children::{Child, fixture};
use e2e::command::{self, Ended};
use e2e::front::{Front, Twist};
use e2e::stack::{KEY, Stack};
use forgejo_sim::SimConfig;
use serde_json::Value;

/// What the doctor said.
struct Examined {
    code: Option<i32>,
    stdout: String,
    checks: Vec<Value>,
}

/// A broker behind a front that is its public URL.
struct House {
    stack: Stack,
    _front: Front,
}

// === impl Examined ===

impl Examined {
    /// `ok`, `warning`, `failed` or `skipped`, with everything that was told of it.
    fn status(&self, check: &str) -> (&str, String) {
        let found = self.checks.iter().find(|finding| finding["check"] == check);
        let status = found.and_then(|finding| finding["status"].as_str()).unwrap_or("not there");
        (status, found.map(ToString::to_string).unwrap_or_default())
    }

    /// That this check failed, said all of `words`, and what to do, and that the exit code tells.
    fn has_failed(&self, check: &str, words: &[&str]) {
        let (status, text) = self.status(check);
        assert_eq!(status, "failed", "{check}: {}", self.stdout);
        assert_eq!(self.code, Some(1), "{}", self.stdout);
        self.says(check, &text, words);
    }

    fn warns(&self, check: &str, words: &[&str]) {
        let (status, text) = self.status(check);
        assert_eq!(status, "warning", "{check}: {}", self.stdout);
        self.says(check, &text, words);
    }

    fn says(&self, check: &str, text: &str, words: &[&str]) {
        assert!(text.contains("what_to_do"), "{check} does not say what to do: {}", self.stdout);
        for word in words {
            assert!(text.contains(word), "{check} does not say {word}: {}", self.stdout);
        }
    }

    /// That nothing failed but these.
    fn only_fails(&self, expected: &[&str]) {
        let failed = self.checks.iter().filter(|finding| finding["status"] == "failed");
        let failed: Vec<_> = failed.filter_map(|finding| finding["check"].as_str()).collect();
        assert_eq!(failed, expected, "{}", self.stdout);
    }
}

/// Runs `doctor --json`. Whatever it finds, it must not tell a secret.
async fn examine(settings: &Settings) -> Result<Examined> {
    let (code, stdout, stderr) = run(&["doctor", "--json"], settings).await?;
    let document: Value = serde_json::from_str(&stdout).with_context(|| format!("{stdout}\n{stderr}"))?;
    let checks = document["checks"].as_array().context("no checks")?.clone();
    assert_eq!(document["ok"], code == Some(0), "{stdout}");
    Ok(Examined { code, stdout, checks })
}

async fn run(arguments: &[&str], settings: &Settings) -> Result<(Option<i32>, String, String)> {
    let Ended { code, stdout, stderr } = command::run(arguments, settings).await?;
    for secret in [settings.get("FORGEJO_OAUTH_CLIENT_SECRET"), settings.get("ENCRYPTION_KEYS"), Some(KEY)] {
        let told =
            secret.is_some_and(|secret| secret.len() > 8 && (stdout.contains(secret) || stderr.contains(secret)));
        ensure!(!told, "a secret was told:\n{stdout}\n{stderr}");
    }
    Ok((code, stdout, stderr))
}

fn child() -> Result<Child> {
    fixture("2.18.0")
}

/// A broker whose public URL leads through a front.
async fn house(twist: Twist, more: Settings) -> Result<House> {
    let (public, broker) = (free_port()?, free_port()?);
    let front = Front::start(public, &format!("http://127.0.0.1:{broker}"), twist).await?;
    let mut settings = Settings::default()
        .with("LISTEN", format!("127.0.0.1:{broker}"))
        .with("ALLOWED_HOSTS", format!("127.0.0.1:{public}"))
        .with("TRUSTED_PROXIES", "127.0.0.1/32");
    settings.extend(more);
    let stack = Stack::start_on(public, &child()?, SimConfig::default(), settings).await?;
    Ok(House { stack, _front: front })
}
