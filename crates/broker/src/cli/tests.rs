//! The command line as clap sees it.

use clap::CommandFactory as _;

use super::*;

fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("fjmcp-broker").chain(arguments.iter().copied()))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn serve_is_what_happens_without_a_subcommand() {
    assert!(parse(&["--listen", "127.0.0.1:1"]).unwrap().command.is_none());
    assert!(matches!(parse(&["serve", "--listen", "127.0.0.1:1"]).unwrap().command, Some(Command::Serve { .. })));
}

#[test]
fn flags_reach_the_settings() {
    let cli = parse(&[
        "--trusted-proxies",
        "10.0.0.1,10.0.0.2",
        "--trusted-proxies",
        "10.0.0.3",
        "--worker-args",
        "--verbose",
        "--ephemeral-key",
    ])
    .unwrap();
    assert_eq!(cli.settings.get("trusted-proxies").unwrap(), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(cli.settings.get("worker-args").unwrap(), ["--verbose"]);
    assert_eq!(cli.settings.get("ephemeral-key").unwrap(), ["true"]);
    assert!(cli.settings.get("listen").is_none());
}

#[test]
fn version_and_help_need_no_configuration() {
    for flag in ["--version", "-V", "--help", "-h"] {
        let error = parse(&[flag]).err().unwrap();
        assert!(!error.use_stderr(), "{flag}");
    }
}

#[test]
fn an_unknown_flag_is_bad_usage() {
    let code = main(vec!["fjmcp-broker".into(), "--no-such-flag".into()]);
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(exit::BAD_CONFIGURATION)));
}

#[test]
fn help_hides_the_launcher_and_names_variables() {
    let help = Cli::command().render_long_help().to_string();
    assert!(!help.contains(launcher::NAME));
    assert!(help.contains("FJMCP_BROKER_PUBLIC_URL") && help.contains("--forgejo-oauth-client-secret-file"));
}
