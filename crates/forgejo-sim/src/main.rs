//! The stand-in as a program.

#![forbid(unsafe_code)]

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use forgejo_sim::{NewApp, OauthApp, Profile, RunningSim, Seed, SimConfig, Simulator};
use serde_json::json;

/// A stand-in for a Forgejo server, for trying things out: OAuth2 provider, login pages, API, data in memory.
#[derive(Parser)]
#[command(name = "forgejo-sim", version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Which server to behave like.
    #[arg(long, value_enum, default_value_t = ProfileName::V11)]
    profile: ProfileName,
    /// Root URL of the server as browsers see it, when it is not the address listened on.
    #[arg(long, value_name = "URL")]
    root_url: Option<String>,
    /// What is in it at the start.
    #[arg(long, value_enum, default_value_t = SeedName::Demo)]
    seed: SeedName,
    /// Make a confidential OAuth2 application with this redirect URI and print its id and secret. May be repeated.
    #[arg(long, value_name = "URI")]
    oauth_app_redirect: Vec<String>,
    /// Print one line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileName {
    V11,
    V15,
    Main,
    Gitea,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SeedName {
    Empty,
    Demo,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = SimConfig {
        profile: match arguments.profile {
            ProfileName::V11 => Profile::V11,
            ProfileName::V15 => Profile::V15,
            ProfileName::Main => Profile::Main,
            ProfileName::Gitea => Profile::Gitea,
        },
        listen: arguments.listen,
        root_url: arguments.root_url,
        seed: if arguments.seed == SeedName::Demo { Seed::Demo } else { Seed::Empty },
        ..SimConfig::default()
    };
    let sim = match Simulator::start(config).await {
        Ok(sim) => sim,
        Err(error) => {
            let _ = writeln!(io::stderr(), "forgejo-sim: {error}");
            return ExitCode::FAILURE;
        }
    };
    let redirects = (!arguments.oauth_app_redirect.is_empty()).then_some(arguments.oauth_app_redirect);
    let app = redirects.map(|uris| {
        let mut uris = uris.into_iter();
        let first = NewApp::new("fjmcp-broker", uris.next().unwrap_or_default());
        sim.create_app(uris.fold(first, NewApp::redirect_uri))
    });
    let text = if arguments.json { as_json(&sim, app.as_ref()) } else { as_lines(&sim, app.as_ref()) };
    if writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()).is_err() {
        return ExitCode::FAILURE;
    }
    wait_for_end().await;
    sim.stop().await;
    ExitCode::SUCCESS
}

fn as_json(sim: &RunningSim, app: Option<&OauthApp>) -> String {
    let accounts = sim.accounts().into_iter();
    let accounts: Vec<_> = accounts
        .map(|account| json!({"login": account.login, "password": account.password, "admin": account.admin}))
        .collect();
    json!({
        "url": sim.url(),
        "address": sim.address().to_string(),
        "version": sim.profile().version(),
        "accounts": accounts,
        "client_id": app.map(|app| &app.client_id),
        "client_secret": app.map(|app| &app.client_secret),
        "redirect_uris": app.map(|app| &app.redirect_uris),
    })
    .to_string()
}

fn as_lines(sim: &RunningSim, app: Option<&OauthApp>) -> String {
    let mut lines = vec![
        format!("Forgejo stand-in ({}) at {}", sim.profile().version(), sim.url()),
        format!("listening on {}", sim.address()),
    ];
    for account in sim.accounts() {
        let role = if account.admin { " (site administrator)" } else { "" };
        lines.push(format!("account {} with password {}{role}", account.login, account.password));
    }
    if let Some(app) = app {
        lines.push(format!("OAuth2 application {} redirecting to {}", app.name, app.redirect_uris.join(" ")));
        lines.push(format!("client id {}", app.client_id));
        lines.push(format!("client secret {}", app.client_secret));
    }
    lines.join("\n")
}

/// Ctrl-C or SIGTERM. Without signals the program runs until it is killed.
async fn wait_for_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
