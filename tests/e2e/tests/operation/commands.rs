//! Subcommands and exit codes: 0 clean, 1 failure at run time, 2 bad configuration or usage.

use anyhow::Result;
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::{KEY, Stack};

#[tokio::test]
async fn version_and_help_need_no_configuration_and_bear_a_wrong_one() -> Result<()> {
    let wrong = Settings::default().with("PUBLIC_URL", "rubbish").with("LISTEN", "rubbish").with("CONFIG", "/nowhere");
    for settings in [Settings::default(), wrong] {
        for arguments in [["--version"], ["-V"], ["version"], ["--help"], ["-h"]] {
            let ended = run(&arguments, &settings).await?;
            assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
            assert!(ended.stdout.contains("fjmcp-broker"), "{arguments:?}: {}", ended.stdout);
            assert_eq!(ended.stderr, "", "{arguments:?}");
        }
    }
    let version = run(&["--version"], &Settings::default()).await?.stdout;
    assert!(version.contains(env!("CARGO_PKG_VERSION")) && version.contains("revision"), "{version}");
    let help = run(&["--help"], &Settings::default()).await?.stdout;
    for word in ["serve", "healthcheck", "config", "keys", "FJMCP_BROKER_PUBLIC_URL"] {
        assert!(help.contains(word), "{word} is not in the help");
    }
    Ok(())
}

#[tokio::test]
async fn bad_usage_is_told_with_code_2() -> Result<()> {
    for arguments in [&["--no-such-flag"][..], &["no-such-command"], &["keys"], &["keys", "forge"]] {
        let ended = run(arguments, &Settings::default()).await?;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_generated_key_is_new_each_time_and_good_to_start_with() -> Result<()> {
    let first = run(&["keys", "generate"], &Settings::default()).await?;
    let second = run(&["keys", "generate"], &Settings::default()).await?;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert_ne!(first.stdout, second.stdout);
    let settings = Settings::default().with("ENCRYPTION_KEYS", first.stdout.trim());
    Stack::start_with(&fixture("2.18.0")?, forgejo_sim::SimConfig::default(), settings).await?;
    Ok(())
}

#[tokio::test]
async fn the_effective_configuration_is_shown_with_its_origins_and_without_its_secrets() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let proxy = "http://proxy-user:proxy-password@proxy.example:3128/";
    let settings = stack.settings.clone().with("EGRESS_PROXY", proxy).with("WORKER_ENV", "EXTRA=worker-secret");
    let ended = run(&["config", "--max-sessions", "7"], &settings).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for secret in [&stack.client_secret, KEY, "proxy-password", "worker-secret"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "a secret is shown");
    }
    for part in ["***", "public-url = ", "FJMCP_BROKER_PUBLIC_URL", "max-sessions = \"7\"", "--max-sessions"] {
        assert!(ended.stdout.contains(part), "{part} is not in:\n{}", ended.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn a_healthcheck_says_by_its_exit_code_whether_the_broker_is_well() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let well = run(&["healthcheck"], &stack.settings).await?;
    assert_eq!(well.code, Some(0), "{}", well.stderr);
    assert!(well.stdout.contains("\"store\":\"ok\""), "{}", well.stdout);
    stack.broker.terminate().await?;
    let gone = run(&["healthcheck"], &stack.settings).await?;
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("no answer from"), "{}", gone.stderr);
    Ok(())
}
