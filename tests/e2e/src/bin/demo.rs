//! `make demo`: a broker, a Forgejo stand-in and a real Forgejo MCP server; a client logs in and calls a tool, step by step.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the transcript is what this program is for")]

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use e2e::broker::{Settings, free_port};
use e2e::browser::{Browser, Person};
use e2e::children;
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use serde_json::Value;

/// Shows a whole login and tool call, then stays up.
#[derive(Parser)]
struct Arguments {
    /// Ends after the transcript.
    #[arg(long)]
    once: bool,
    /// The broker's port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let child = children::best()?;
    say("The cast");
    println!("   worker program   {} ({})", child.label, child.command.display());
    let port = if port_is_free(arguments.port) { arguments.port } else { free_port()? };
    let settings = Settings::default().with("REFRESH_REPLAY_WINDOW", "120s").with("LOG_LEVEL", "info");
    let mut stack = Stack::start_on(port, &child, SimConfig::default(), settings).await?;
    let url = stack.broker.url.clone();
    println!(
        "   Forgejo          {} (a stand-in; accounts alice and bob, passwords alice-password and bob-password)",
        stack.sim.url()
    );
    println!("   broker           {url} (process {})", stack.broker.pid);

    transcript(&stack, &url, &child).await?;

    if arguments.once {
        let status = stack.broker.terminate().await?;
        ensure!(status.success(), "the broker ended with {status}");
        println!("\nEvery step succeeded. The broker has ended cleanly.");
        return Ok(());
    }
    println!(
        "\nEverything stays up until Ctrl-C. Try it:\n\
         \n   in a browser     {url}/   (log in as alice / alice-password)\
         \n   Claude Code      claude mcp add --transport http forgejo {url}/mcp\
         \n   VS Code          code --add-mcp '{{\"name\":\"forgejo\",\"type\":\"http\",\"url\":\"{url}/mcp\"}}'\
         \n   mcp-remote       npx mcp-remote {url}/mcp --allow-http\n"
    );
    tokio::signal::ctrl_c().await?;
    let status = stack.broker.terminate().await?;
    ensure!(status.success(), "the broker ended with {status}");
    Ok(())
}

async fn transcript(stack: &Stack, url: &str, child: &children::Child) -> Result<()> {
    let client = e2e::broker::http_client()?;

    say("1. The client calls /mcp without a token and is told where to go");
    let answer = client.post(format!("{url}/mcp")).json(&serde_json::json!({})).send().await?;
    ensure!(answer.status() == 401, "expected 401, got {}", answer.status());
    let challenge = answer.headers().get("www-authenticate").context("no challenge")?.to_str()?;
    println!("   401, WWW-Authenticate: {challenge}");

    say("2. It reads who guards the resource, and where to register");
    let resource: Value = get_json(&client, &format!("{url}/.well-known/oauth-protected-resource/mcp")).await?;
    println!("   resource {} is guarded by {}", resource["resource"], resource["authorization_servers"][0]);
    let server: Value = get_json(&client, &format!("{url}/.well-known/oauth-authorization-server")).await?;
    println!("   registration at {}, login at {}", server["registration_endpoint"], server["authorization_endpoint"]);

    say("3. It registers itself");
    let oauth = OAuthClient::register(url, "Demo client").await?;
    println!("   client_id {}", oauth.id);

    say("4. A browser opens the login: alice allows it on our page and logs in at Forgejo");
    let authorization = oauth.authorize(None)?;
    let browser = Browser::new()?;
    let back = browser.log_in(&authorization.url, &Person::named("alice"), &oauth.redirect_uri).await?;
    println!("   back at {}://{}{} with a code, our state and iss", back.scheme(), back.authority(), back.path());

    say("5. The client redeems the code");
    let tokens = oauth.redeem(&authorization, &oauth.code(&authorization, &back)?).await?;
    println!("   access token for {} s, scope `{}`, and a refresh token", tokens.expires_in, tokens.scope);

    say("6. It opens an MCP session; the broker starts a worker for it");
    let mut mcp = Mcp::new(url, &tokens.access_token)?;
    let result = mcp.initialize("2025-11-25").await?;
    println!(
        "   {} {}, protocol {}",
        result["serverInfo"]["name"], result["serverInfo"]["version"], result["protocolVersion"]
    );
    println!("   worker processes: {:?}", stack.broker.workers());

    say("7. It lists the tools");
    let tools = mcp.tools().await?;
    println!("   {} tools, among them {}", tools.len(), tools.iter().take(5).cloned().collect::<Vec<_>>().join(", "));

    let call = child.words.whoami("alice");
    say(&format!("8. It calls `{}`: the worker asks Forgejo, through the gateway, as alice", call.tool));
    let text = mcp.call_text(call.tool, &call.arguments).await?;
    ensure!(text.contains(call.expect), "alice is not in the answer: {text}");
    println!("   {}", text.chars().take(160).collect::<String>().replace('\n', " "));

    say("9. The worker never had a Forgejo token");
    let pid = *stack.broker.workers().first().context("no worker is running")?;
    let environment = std::fs::read(format!("/proc/{pid}/environ"));
    match environment {
        Ok(bytes) => {
            let issued = stack.sim.issued_secrets();
            let found = issued.iter().any(|secret| contains(&bytes, secret.value.as_bytes()));
            ensure!(!found, "a secret of Forgejo is in the worker's environment");
            println!(
                "   none of the {} secrets that Forgejo issued is in the environment of process {pid}",
                issued.len()
            );
        }
        Err(_) => println!("   the environment of process {pid} cannot even be read"),
    }

    say("10. The client refreshes its token; the session goes on");
    let renewed = oauth.refresh(&tokens.refresh_token).await?;
    ensure!(renewed.refresh_token != tokens.refresh_token, "the refresh token did not rotate");
    let text = mcp.with_token(&renewed.access_token).call_text(call.tool, &call.arguments).await?;
    ensure!(text.contains(call.expect), "alice is not in the answer: {text}");
    println!("   new pair issued, the same session answered again");
    Ok(())
}

async fn get_json(client: &reqwest::Client, url: &str) -> Result<Value> {
    let response = client.get(url).send().await?;
    ensure!(response.status().is_success(), "{url}: {}", response.status());
    Ok(response.json().await?)
}

fn say(text: &str) {
    println!("\n── {text}");
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

fn port_is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}
