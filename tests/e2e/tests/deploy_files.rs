//! What is shipped in `deploy/` is held against the program and, where they are installed, against the tools that read it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::{built, project_root};
use e2e::broker::Settings;
use e2e::command::run;

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// The variables that a text mentions, whole words only.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.split(move |c| !is_of_name(c)).filter(|word| word.starts_with("FJMCP_BROKER_"))
}

#[tokio::test]
async fn every_variable_in_the_shipped_files_and_documents_is_a_setting() -> Result<()> {
    let reference = run(&["config", "--reference"], &Settings::default()).await?.stdout;
    let known: Vec<&str> = variables(&reference).collect();
    ensure!(known.len() > 40, "the reference has {} variables", known.len());
    let is_known = |name: &str| {
        name == "FJMCP_BROKER_CONFIG"
            || known.contains(&name.strip_suffix("_FILE").unwrap_or(name))
            || known.contains(&name)
    };
    let root = project_root();
    let documents =
        ["README.md", "Containerfile", "docs/deploy-podman.md", "docs/deploy-caddy.md", "docs/operations.md"];
    for file in files(&root.join("deploy"))?.into_iter().chain(documents.map(|name| root.join(name))) {
        let text = std::fs::read_to_string(&file)?;
        for name in variables(&text) {
            assert!(is_known(name), "{}: {name} sets nothing", file.display());
        }
    }
    Ok(())
}

/// claude.ai refreshes from several machines; and behind an untrusted proxy all users are one.
#[test]
fn every_shipped_example_sets_the_replay_window_and_trusts_its_proxy() -> Result<()> {
    let root = project_root().join("deploy");
    for example in ["podman/fjmcp-broker.env.example", "compose/compose.yaml", "kubernetes/fjmcp-broker.yaml"] {
        let text = std::fs::read_to_string(root.join(example))?;
        for name in ["FJMCP_BROKER_REFRESH_REPLAY_WINDOW", "FJMCP_BROKER_TRUSTED_PROXIES"] {
            let line = text.lines().find(|line| line.trim_start().starts_with(name));
            let line = line.with_context(|| format!("{example} does not set {name}"))?;
            ensure!(!name.ends_with("WINDOW") || line.contains("120s"), "{example}: {line}");
        }
    }
    Ok(())
}

#[test]
fn systemd_takes_the_unit_and_finds_it_well_confined() -> Result<()> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        skipped("systemd-analyze");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let unit = std::fs::read_to_string(project_root().join("deploy/systemd/fjmcp-broker.service"))?;
    ensure!(unit.contains("/usr/local/bin/fjmcp-broker"), "the unit starts another program");
    // Verification wants the program to be there.
    let here = unit.replace("/usr/local/bin/fjmcp-broker", &built("fjmcp-broker")?.display().to_string());
    let path = folder.path().join("fjmcp-broker.service");
    std::fs::write(&path, here)?;
    let verify =
        Command::new("systemd-analyze").args(["--man=no", "--recursive-errors=no", "verify"]).arg(&path).output()?;
    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    // Older versions name the keys that they do not know, and end with 0.
    assert!(verify.status.success() && !said.contains("fjmcp-broker.service:"), "{said}");
    let security =
        Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=20"]).arg(&path).output()?;
    let said = String::from_utf8_lossy(&security.stdout).into_owned();
    assert!(security.status.success(), "its exposure level is above 2.0: {}", said.lines().last().unwrap_or_default());
    Ok(())
}

#[test]
fn the_rules_for_prometheus_fire_when_they_should() {
    let folder = project_root().join("deploy/prometheus");
    for arguments in [
        ["check", "rules", "fjmcp-broker.rules.yml"],
        ["test", "rules", "fjmcp-broker.tests.yml"],
        ["check", "config", "prometheus.example.yml"],
    ] {
        let Ok(ended) = Command::new("promtool").args(arguments).current_dir(&folder).output() else {
            skipped("promtool (Debian's package prometheus)");
            return;
        };
        assert!(
            ended.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat())
        );
    }
}

#[expect(clippy::print_stderr, reason = "a run says what it did not cover")]
fn skipped(what: &str) {
    eprintln!("skipped: {what} is not installed");
}
