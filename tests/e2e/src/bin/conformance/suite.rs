//! The suite as a program: started, and its results read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

const PACKAGE: &str = "node_modules/@modelcontextprotocol/conformance";
/// The suite ends each result folder's name with a time such as `-2026-01-02T03-04-05-678Z`.
const TIME_SUFFIX: usize = 25;

/// The installed suite.
pub(crate) struct Suite {
    node: PathBuf,
    folder: PathBuf,
}

/// What one run of the suite found, by scenario.
pub(crate) type Findings = BTreeMap<String, Finding>;

/// What it found in one scenario.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// Checks that succeeded.
    pub(crate) passed: usize,
    /// Checks that failed, with what was wrong.
    pub(crate) failed: Vec<String>,
    /// Checks that ended in a warning, which the suite does not count, with what it said.
    pub(crate) warned: Vec<String>,
}

// === impl Suite ===

impl Suite {
    pub(crate) fn new(node: PathBuf, folder: PathBuf) -> Result<Self> {
        ensure!(folder.join(PACKAGE).exists(), "the suite is not in {}; run scripts/conformance.sh", folder.display());
        Ok(Self { node, folder })
    }

    /// Its version.
    pub(crate) fn version(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.folder.join(PACKAGE).join("package.json"))?;
        let package: Value = serde_json::from_str(&text)?;
        Ok(package["version"].as_str().context("a package without version")?.to_owned())
    }

    /// The server scenarios that count for `revision`.
    pub(crate) fn scored(&self, revision: &str) -> Result<BTreeSet<String>> {
        let path = self.folder.join(PACKAGE).join(format!("requirements/{revision}.yaml"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let scored = listed(&text, "server");
        ensure!(!scored.is_empty(), "no server scenarios in {}", path.display());
        Ok(scored)
    }

    /// A command of the suite whose results go to the folder of this name, emptied first.
    pub(crate) fn command(&self, results: &str, arguments: &[&str]) -> Result<(Command, PathBuf)> {
        let results = self.folder.join("results").join(results);
        if results.exists() {
            std::fs::remove_dir_all(&results)?;
        }
        std::fs::create_dir_all(&results)?;
        let mut command = Command::new(&self.node);
        command
            .arg(self.folder.join(PACKAGE).join("dist/index.js"))
            .args(arguments)
            .arg("--output-dir")
            .arg(&results)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok((command, results))
    }

    /// Runs what `revision` requires of a server, and what it only shows, against `url`.
    pub(crate) async fn server(&self, name: &str, url: &str, revision: &str) -> Result<Findings> {
        let (mut command, results) = self.command(name, &["server", "--url", url, "--requirements", revision])?;
        let log = std::fs::File::create(results.join("log.txt"))?;
        command.stdout(log.try_clone()?).stderr(log);
        // A scenario that fails makes the status bad; the results say which.
        command.status().await.context("the suite cannot be started")?;
        let findings = read(&results, "server-")?;
        ensure!(!findings.is_empty(), "the suite left no results; see {}", results.join("log.txt").display());
        Ok(findings)
    }
}

/// The scenarios under a key of a file that is a list of scenarios under each of its keys.
pub(crate) fn listed(text: &str, key: &str) -> BTreeSet<String> {
    let section = text.lines().skip_while(|line| *line != format!("{key}:")).skip(1);
    section
        .take_while(|line| line.is_empty() || line.starts_with([' ', '#']))
        .filter_map(|line| Some(line.strip_prefix("  - ")?.trim().to_owned()))
        .collect()
}

/// Reads a results folder.
pub(crate) fn read(results: &Path, prefix: &str) -> Result<Findings> {
    let mut findings = Findings::new();
    for entry in std::fs::read_dir(results)? {
        let (folder, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name())
        };
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else { continue };
        let scenario = name.len().checked_sub(TIME_SUFFIX).and_then(|end| name.get(..end));
        let scenario = scenario.with_context(|| format!("a folder of the suite without time: {name}"))?;
        let checks = folder.join("checks.json");
        let text = std::fs::read_to_string(&checks).with_context(|| checks.display().to_string())?;
        let checks: Vec<Value> = serde_json::from_str(&text)?;
        findings.insert(scenario.to_owned(), Finding::of(&checks));
    }
    Ok(findings)
}

// === impl Finding ===

impl Finding {
    fn of(checks: &[Value]) -> Self {
        let mut finding = Self::default();
        for check in checks {
            let said = || {
                let text = check["errorMessage"].as_str().unwrap_or_default();
                format!("{}: {}", check["id"].as_str().unwrap_or_default(), text.lines().next().unwrap_or_default())
            };
            match check["status"].as_str() {
                Some("SUCCESS") => finding.passed += 1,
                Some("FAILURE") => finding.failed.push(said()),
                Some("WARNING") => finding.warned.push(said()),
                _ => {}
            }
        }
        finding
    }

    /// Whether the scenario is passed, as the suite counts: nothing failed, and something was looked at.
    pub(crate) fn is_passed(&self) -> bool {
        self.failed.is_empty() && self.passed + self.warned.len() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_those_under_their_key() {
        let text = "# a\nserver:\n  - one\n  # why\n  - two\n\nclient:\n  - three\nnot_scored:\n  - scenario: x\n";
        assert_eq!(listed(text, "server"), ["one", "two"].map(str::to_owned).into());
        assert_eq!(listed(text, "client"), ["three".to_owned()].into());
        assert!(listed(text, "none").is_empty());
    }
}
