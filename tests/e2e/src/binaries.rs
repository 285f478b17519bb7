//! The built programs. They are built afresh once per run, so that nobody tests yesterday's binary.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};

/// The root of the project.
#[must_use]
pub fn project_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root.pop();
    root
}

/// The built program `name`, from the same build as the running one; with `E2E_PROGRAMS` the one in that folder, as it is.
///
/// # Errors
/// When the build fails.
pub fn built(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(folder) = std::env::var_os("E2E_PROGRAMS") {
        let path = PathBuf::from(folder).join(name);
        ensure!(path.exists(), "{} is not there, where E2E_PROGRAMS says", path.display());
        return Ok(path);
    }
    let folder = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(|e| anyhow!(e))?;
    let path = folder.join(name);
    ensure!(path.exists(), "{} was not built", path.display());
    Ok(path)
}

fn build() -> Result<PathBuf> {
    let mut folder = std::env::current_exe().context("cannot find the running program")?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let release = folder.ends_with("release");
    let mut command = Command::new(cargo);
    // The whole workspace, as `make test` builds it: another choice of packages would unify other features, and build everything again.
    command.current_dir(project_root()).args(["build", "--quiet", "--workspace", "--bins"]);
    if release {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.env("CARGO_TARGET_DIR", target);
    }
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "cargo build failed");
    Ok(folder)
}
