//! What is needed to start, and what the store looks like afterwards.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::{KEY, Stack};

const OTHER_KEY: &str = "HxweHRscGRoXGBUWExQREg8QDQ4LDAkKBwgFBgMEAQI";

#[tokio::test]
async fn a_port_that_is_taken_is_a_failure_at_run_time() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let ended = run(&["serve"], &stack.settings).await?;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot listen on") && ended.stderr.contains("--listen"), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn the_store_is_nobody_elses_to_read() -> Result<()> {
    // design §4: 0600, the write-ahead log too
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.log_in("alice").await?;
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(stack.state.path())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
            seen.push(name);
        }
    }
    assert!(seen.iter().any(|name| name == "broker.db") && seen.iter().any(|name| name == "broker.db-wal"), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn the_wrong_key_is_told_at_the_start_and_the_right_one_may_stand_behind_a_new_one() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    stack.broker.terminate().await?;

    let wrong = stack.settings.clone().with("ENCRYPTION_KEYS", OTHER_KEY);
    let ended = run(&["serve"], &wrong).await?;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("key"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(OTHER_KEY), "{}", ended.stderr);

    stack.settings.set("ENCRYPTION_KEYS", format!("{OTHER_KEY},{KEY}"));
    stack.restart().await?;
    client.refresh(&tokens.refresh_token).await?;
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_store_is_told_and_left_alone() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    let file = stack.state.path().join("letter.txt");
    let letter = "Dear reader, this is not a database.\n".repeat(100);
    std::fs::write(&file, &letter)?;
    let settings = stack.settings.clone().with("STORE_PATH", file.display().to_string());
    let ended = run(&["serve"], &settings).await?;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("letter.txt"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(&file)?, letter);
    Ok(())
}
