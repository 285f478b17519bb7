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
        let scored = listed(&self.requirements(revision)?, "server");
        ensure!(!scored.is_empty(), "the suite requires nothing of a server of {revision}");
        Ok(scored)
    }

    /// The server scenarios of extensions, which a server may leave out.
    pub(crate) fn extensions(&self, revision: &str) -> Result<BTreeSet<String>> {
        Ok(extensions(&self.requirements(revision)?))
    }

    fn requirements(&self, revision: &str) -> Result<String> {
        let path = self.folder.join(PACKAGE).join(format!("requirements/{revision}.yaml"));
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Where the results of a run go.
    pub(crate) fn results(&self, run: &str) -> PathBuf {
        self.folder.join("results").join(run)
    }

    /// A command of the suite whose results go to the folder of this run, emptied first.
    pub(crate) fn command(&self, run: &str, arguments: &[&str]) -> Result<(Command, PathBuf)> {
        let results = self.results(run);
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

/// The scenarios that a requirements file leaves out of the score because they are of an extension.
fn extensions(text: &str) -> BTreeSet<String> {
    let mut scenario = None;
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- scenario: ") {
            scenario = Some(name);
        } else if line == "reason: extension" {
            found.extend(scenario.take().map(str::to_owned));
        }
    }
    found
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
        let finding = match std::fs::read_to_string(folder.join("checks.json")) {
            Ok(text) => Finding::of(&serde_json::from_str::<Vec<Value>>(&text)?),
            // The suite makes the folder first; a scenario that throws leaves it empty.
            Err(_) => Finding { failed: vec!["the scenario broke off".to_owned()], ..Finding::default() },
        };
        findings.insert(scenario.to_owned(), finding);
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

    /// Whether the scenario is passed, as the suite counts: nothing failed; and something was looked at.
    pub(crate) fn is_passed(&self) -> bool {
        self.failed.is_empty() && !self.is_empty()
    }

    /// Whether there was nothing to judge.
    pub(crate) fn is_empty(&self) -> bool {
        self.passed + self.failed.len() + self.warned.len() == 0
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

    #[test]
    fn only_what_is_left_out_as_an_extension_is_one() {
        let text = "not_scored:\n  - scenario: x\n    leg: server\n    reason: extension\n  - scenario: y\n    reason: pending\n";
        assert_eq!(extensions(text), ["x".to_owned()].into());
    }
}
