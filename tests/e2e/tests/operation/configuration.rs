//! Where settings come from, and how their faults are told.

use anyhow::Result;
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::{KEY, Stack};

#[tokio::test]
async fn everything_that_is_missing_is_told_at_once() -> Result<()> {
    let ended = run(&["serve"], &Settings::default().with("WORKER_COMMAND", "/nowhere/forgejo-mcp")).await?;
    assert_eq!(ended.code, Some(2));
    for name in [
        "public-url",
        "forgejo-url",
        "forgejo-oauth-client-id",
        "forgejo-oauth-client-secret",
        "encryption-keys",
        "worker program /nowhere/forgejo-mcp",
    ] {
        assert!(ended.stderr.contains(name), "{name} is not in:\n{}", ended.stderr);
    }
    assert!(ended.stderr.contains("keys generate"), "it says how to make a key:\n{}", ended.stderr);
    assert!(ended.stderr.contains("what to do"), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_and_no_secret_is_repeated() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let wrong = [
        ("PUBLIC_URL", "http://mcp.example.org"),
        ("LISTEN", "8080"),
        ("FORGEJO_URL", "ftp://git.example.org"),
        ("FORGEJO_OAUTH_SCOPES", "write:repository write:everything"),
        ("ENCRYPTION_KEYS", "not-a-key-hunter2"),
        ("FORGEJO_OAUTH_CLIENT_SECRET", "hunter2 with blanks"),
        ("REFRESH_REPLAY_WINDOW", "3h"),
        ("STORE_PATH", "/nowhere/at/all/broker.db"),
        ("LOG_FORMAT", "xml"),
        ("WORKER_ENV", "hunter2"),
    ];
    let settings = wrong.iter().fold(stack.settings.clone(), |settings, (name, value)| settings.with(name, *value));
    let ended = run(&[], &settings).await?;
    assert_eq!(ended.code, Some(2));
    for (name, _) in wrong {
        let setting = name.to_lowercase().replace('_', "-");
        assert!(ended.stderr.contains(&format!("{setting} (from FJMCP_BROKER_{name})")), "{name}:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{} problems", wrong.len())), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn an_empty_variable_counts_as_unset() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let settings = stack.settings.clone().with("LOG_LEVEL", "").with("EGRESS_PROXY", "").with("MAX_SESSIONS", "");
    let ended = run(&["config"], &settings).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = ended.stdout.lines().find(|line| line.starts_with("max-sessions = ")).unwrap_or_default();
    assert!(line.ends_with("# computed") && !line.contains("MAX_SESSIONS"), "{}", ended.stdout);

    let ended = run(&["config"], &settings.with("FORGEJO_OAUTH_CLIENT_SECRET", "")).await?;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("forgejo-oauth-client-secret"), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn secrets_come_from_files_too() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    let (secret, keys) = (stack.state.path().join("secret"), stack.state.path().join("keys"));
    std::fs::write(&secret, format!("{}\n", stack.client_secret))?;
    std::fs::write(&keys, format!("# the ring\n{KEY}\n"))?;
    stack.settings = std::mem::take(&mut stack.settings)
        .without("FORGEJO_OAUTH_CLIENT_SECRET")
        .without("ENCRYPTION_KEYS")
        .with("FORGEJO_OAUTH_CLIENT_SECRET_FILE", secret.display().to_string())
        .with("ENCRYPTION_KEYS_FILE", keys.display().to_string());
    stack.restart().await?;
    stack.log_in("alice").await?;

    let missing = stack.settings.clone().with("ENCRYPTION_KEYS_FILE", "/nowhere/keys");
    let ended = run(&["config"], &missing).await?;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("/nowhere/keys") && ended.stderr.contains("encryption-keys"), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let file = stack.state.path().join("broker.toml");
    std::fs::write(&file, "max-sessions = 11\nmax-clients = 11\nsession-idle-timeout = \"11m\"\n")?;
    let settings = stack.settings.clone().with("MAX_SESSIONS", "22").with("MAX_CLIENTS", "22");
    let file = file.display().to_string();
    let ended = run(&["config", "--config", &file, "--max-sessions", "33"], &settings).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in ["max-sessions = \"33\"", "max-clients = \"22\"", "session-idle-timeout = \"11m\""] {
        assert!(ended.stdout.contains(line), "{line} is not in:\n{}", ended.stdout);
    }
    Ok(())
}
