//! What is wrong on the machine itself.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use e2e::broker::{Settings, database};
use e2e::front::Twist;
use e2e::stack::KEY;

use super::{examine, house};

const OTHER_KEY: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

#[tokio::test]
async fn settings_that_cannot_be_used_are_each_named_and_end_the_examination() -> Result<()> {
    let settings = Settings::default().with("PUBLIC_URL", "http://mcp.example.org").with("ENCRYPTION_KEYS", KEY);
    let examined = examine(&settings).await?;
    examined.has_failed("configuration", &["public-url", "not https"]);
    for missing in ["forgejo-url", "forgejo-oauth-client-id", "forgejo-oauth-client-secret"] {
        assert!(examined.stdout.contains(missing), "{}", examined.stdout);
    }
    assert_eq!(examined.status("everything-else").0, "skipped");
    Ok(())
}

#[tokio::test]
async fn a_store_sealed_under_another_key_is_told_before_a_start_fails_on_it() -> Result<()> {
    let mut house = house(Twist::None, Settings::default()).await?;
    house.stack.log_in("alice").await?;
    house.stack.broker.terminate().await?;
    let examined = examine(&house.stack.settings.clone().with("ENCRYPTION_KEYS", OTHER_KEY)).await?;
    examined.has_failed("store", &["encryption key", "add the key that sealed it"]);
    Ok(())
}

#[tokio::test]
async fn a_running_broker_with_other_keys_is_no_patient_of_this_configuration() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let examined = examine(&house.stack.settings.clone().with("ENCRYPTION_KEYS", OTHER_KEY)).await?;
    examined.has_failed("listener", &["other encryption keys"]);
    assert_eq!(examined.status("event-streams").0, "skipped");
    Ok(())
}

#[tokio::test]
async fn a_damaged_store_and_one_that_others_can_read_are_told() -> Result<()> {
    let mut house = house(Twist::None, Settings::default()).await?;
    house.stack.log_in("alice").await?;
    house.stack.broker.terminate().await?;
    let file = database(house.stack.state.path());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    let examined = examine(&house.stack.settings).await?;
    examined.warns("store", &["mode 644", "chmod 600"]);
    assert_eq!(examined.code, Some(0), "{}", examined.stdout);

    std::fs::write(&file, vec![b'x'; 8192])?;
    examine(&house.stack.settings).await?.has_failed("store", &["restore a backup"]);
    Ok(())
}

#[tokio::test]
async fn a_file_of_secrets_that_everybody_can_read_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let file = house.stack.state.path().join("keys");
    std::fs::write(&file, KEY)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    let settings = house.stack.settings.clone().without("ENCRYPTION_KEYS");
    let examined = examine(&settings.with("ENCRYPTION_KEYS_FILE", file.display().to_string())).await?;
    examined.warns("secret-files", &["encryption-keys", "chmod 600"]);
    Ok(())
}

#[tokio::test]
async fn a_worker_program_that_is_not_there_or_ends_at_once_is_told_with_its_last_words() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let absent = house.stack.settings.clone().with("WORKER_COMMAND", "/nowhere/forgejo-mcp");
    examine(&absent).await?.has_failed("worker", &["/nowhere/forgejo-mcp", "worker-command"]);
    let dying = house.stack.settings.clone().with("WORKER_ARGS", "--start-exit 3");
    examine(&dying).await?.has_failed("worker", &["worker-cage=off"]);
    let refusing = house.stack.settings.clone().with("WORKER_ARGS", "--no-such-flag");
    examine(&refusing).await?.has_failed("worker", &["exit code 2", "last words"]);
    Ok(())
}

#[tokio::test]
async fn a_cage_that_was_switched_off_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let examined = examine(&house.stack.settings.clone().with("WORKER_CAGE", "off")).await?;
    examined.warns("cage", &["worker-cage=off", "rung 0", "worker-cage=auto"]);
    Ok(())
}

#[tokio::test]
async fn neither_a_proxys_password_nor_a_workers_variable_is_told() -> Result<()> {
    let house = house(Twist::None, Settings::default()).await?;
    let proxy = format!("http://proxy-user:proxy-password@127.0.0.1:{}", e2e::broker::free_port()?);
    let settings = house.stack.settings.clone().with("EGRESS_PROXY", proxy);
    let settings = settings.with("WORKER_ENV", "EXTRA=worker-secret").with("WORKER_ARGS", "--no-such-flag");
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let (code, stdout, stderr) = super::run(arguments, &settings).await?;
        assert_eq!(code, Some(1), "{stdout}");
        let all = stdout + &stderr;
        assert!(!all.contains("proxy-password") && !all.contains("worker-secret"), "{all}");
        assert!(all.contains("no answer from"), "{all}");
    }
    Ok(())
}
