//! What the program writes about itself.

use anyhow::{Result, ensure};
use e2e::binaries::project_root;
use e2e::broker::Settings;
use e2e::command::run;

#[tokio::test]
async fn the_references_in_docs_are_what_the_program_prints() -> Result<()> {
    for (what, file) in [("metrics", "docs/metrics.md"), ("settings", "docs/configuration.md")] {
        let ended = run(&["reference", what], &Settings::default()).await?;
        let written = std::fs::read_to_string(project_root().join(file))?;
        ensure!(ended.stdout == written, "run `fjmcp-broker reference {what} > {file}`");
    }
    Ok(())
}

#[tokio::test]
async fn there_is_a_manual_page_for_each_command_and_none_for_the_launcher() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pages = folder.path().join("man1").display().to_string();
    let ended = run(&["reference", "man", &pages], &Settings::default()).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    for page in ["fjmcp-broker", "fjmcp-broker-serve", "fjmcp-broker-admin-users-revoke", "fjmcp-broker-backup"] {
        let text = std::fs::read_to_string(format!("{pages}/{page}.1"))?;
        ensure!(text.contains(".TH") && text.contains("SYNOPSIS"), "{page}: {text}");
    }
    let names: Vec<_> = std::fs::read_dir(&pages)?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(!names.iter().any(|name| name.to_string_lossy().contains("launcher")), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn shells_get_completions_that_they_can_read() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(&["reference", "completions", shell], &Settings::default()).await?;
        ensure!(ended.code == Some(0) && ended.stdout.contains("admin"), "{shell}: {ended:?}");
        ensure!(!ended.stdout.contains("worker-launcher"), "{shell}");
        if shell == "bash" {
            // An argument may not be that long.
            let file = tempfile::NamedTempFile::new()?;
            std::fs::write(file.path(), &ended.stdout)?;
            let checked = tokio::process::Command::new("bash").arg("-n").arg(file.path()).status().await?;
            ensure!(checked.success());
        }
    }
    Ok(())
}
