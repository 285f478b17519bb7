//! The suite's `authorization` command against the broker: it prints an address, our browser logs in there.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{free_port, http_client};
use e2e::browser::{Browser, Person};
use e2e::oauth_client::OAuthClient;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use url::Url;

use crate::suite::{self, Findings, Suite};

/// How long the suite may take to print the address, and after the login to judge what it got.
const PATIENCE: Duration = Duration::from_mins(1);

/// Both scenarios.
pub(crate) async fn run(suite: &Suite, issuer: &str) -> Result<Findings> {
    let port = free_port()?.to_string();
    let redirect_uri = format!("http://127.0.0.1:{port}/callback");
    let client = OAuthClient::register_with(issuer, "conformance", &redirect_uri).await?;
    let resource = format!("{issuer}/mcp");
    let arguments =
        ["authorization", "--url", issuer, "--client-id", &client.id, "--resource", &resource, "--port", &port];
    let (mut command, results) = suite.command("authorization", &arguments)?;
    let mut running = command.stdout(Stdio::piped()).spawn().context("the suite cannot be started")?;
    let stdout = running.stdout.take().context("the suite has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let endpoint = format!("{issuer}/oauth/authorize?");
    let printed = async {
        while let Some(line) = lines.next_line().await? {
            if line.starts_with(&endpoint) {
                return Ok(Url::parse(&line)?);
            }
        }
        anyhow::bail!("the suite ended without printing an address")
    };
    let authorize = tokio::time::timeout(PATIENCE, printed).await.context("the suite printed no address")??;
    let back = Browser::new()?.log_in(&authorize, &Person::named("alice"), &redirect_uri).await?;
    let arrived = http_client()?.get(back).send().await.context("the suite does not wait for the answer")?;
    ensure!(arrived.status().is_success(), "the suite answered its callback with {}", arrived.status());
    // The rest of its output has to be taken away, or it could not go on.
    let rest = async { while let Ok(Some(_)) = lines.next_line().await {} };
    let ((), ended) = tokio::join!(rest, tokio::time::timeout(PATIENCE, running.wait()));
    ended.context("the suite did not end")??;
    suite::read(&results, "authorization-server-")
}
