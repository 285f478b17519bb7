//! The operator's commands, on a server instead of a file.

use anyhow::{Result, ensure};
use e2e::broker::free_port;
use e2e::command::run;

use super::house;

#[tokio::test]
async fn commands_that_copy_a_file_name_what_postgresql_has_for_it() -> Result<()> {
    let (stack, _place) = house().await?;
    let target = stack.state.path().join("copy");
    for (command, instead) in [("backup", "pg_dump"), ("restore", "pg_restore")] {
        let ended = run(&[command, &target.display().to_string()], &stack.store_settings()).await?;
        ensure!(ended.code == Some(1) && ended.stderr.contains(instead), "{ended:?}");
        ensure!(
            !ended.stderr.contains("scratch@") && !ended.stderr.contains(":scratch"),
            "the password is shown: {ended:?}"
        );
    }
    ensure!(!target.exists());
    Ok(())
}

#[tokio::test]
async fn schema_keys_statistics_and_doctor_answer_beside_a_running_broker() -> Result<()> {
    let (stack, _place) = house().await?;
    stack.session("alice").await?;
    let checked = run(&["migrate", "--check"], &stack.store_settings()).await?;
    ensure!(checked.code == Some(0) && checked.stdout.contains("up to date"), "{checked:?}");
    let stats = run(&["admin", "stats", "--json"], &stack.store_settings()).await?;
    let stats: serde_json::Value = serde_json::from_str(&stats.stdout)?;
    ensure!(stats["users"] == 1 && stats["sessions"] == 1 && stats["bytes"].as_i64() > Some(0), "{stats}");
    let keys = run(&["keys", "list"], &stack.settings).await?;
    ensure!(keys.code == Some(0) && keys.stdout.contains("users.access_token 1"), "{keys:?}");
    let doctor = run(&["doctor"], &stack.settings).await?;
    let line = doctor.stdout.lines().find(|line| line.contains("opens with the keys")).unwrap_or_default();
    ensure!(line.contains("postgres://") && line.contains("users: 1"), "{}", doctor.stdout);
    Ok(())
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_is_told_with_what_to_look_at_and_without_the_password() -> Result<()> {
    let (stack, place) = house().await?;
    let url = place.url_at(1);
    let listen = format!("127.0.0.1:{}", free_port()?);
    let settings = stack.settings.clone().with("DATABASE_URL", url).with("LISTEN", listen);
    let started = run(&["serve"], &settings).await?;
    ensure!(started.code == Some(1) && started.stderr.contains("Connection refused"), "{started:?}");
    let doctor = run(&["doctor"], &settings).await?;
    ensure!(doctor.stdout.contains("pg_hba.conf"), "{}", doctor.stdout);
    for text in [&started.stderr, &doctor.stdout] {
        ensure!(!text.contains(&format!(":{}@", place.password())), "{text}");
    }
    Ok(())
}
