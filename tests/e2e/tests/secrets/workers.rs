//! A worker has nothing that is worth stealing: not in its environment, not in its arguments, not in its memory.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::children::{self, Child};
use e2e::stack::Stack;

use super::Secrets;

const CONTROL: &str = "the gateway's address";

#[tokio::test]
async fn no_worker_has_forgejos_token_the_client_secret_or_a_token_of_ours() -> Result<()> {
    let (present, absent) = children::table()?;
    for child in &present {
        let bytes = search(child).await.with_context(|| child.label.clone())?;
        say(&format!("{}: nothing found in {} MiB of memory", child.label, bytes >> 20))?;
    }
    for child in &absent {
        say(&format!("{}: skipped: {}", child.label, child.reason))?;
    }
    Ok(())
}

/// Lets workers of this program do what they do with tokens, then searches them; how many bytes were searched.
async fn search(child: &Child) -> Result<u64> {
    let stack = Stack::start(child).await?;
    let mut secrets = Secrets::default();
    for login in ["alice", "bob"] {
        let (mcp, client, tokens) = stack.session(login).await?;
        let call = child.words.whoami("");
        mcp.call(call.tool, &call.arguments).await?;
        let renewed = client.refresh(&tokens.refresh_token).await?;
        mcp.with_token(&renewed.access_token).call(call.tool, &call.arguments).await?;
        for tokens in [&tokens, &renewed] {
            secrets.add("an access token", &tokens.access_token);
            secrets.add("a refresh token", &tokens.refresh_token);
        }
        secrets.add("the session's id", mcp.session.context("no session")?);
    }
    secrets.add_forgejos(&stack);

    let workers = stack.broker.workers();
    ensure!(workers.len() == 2, "{} workers instead of 2", workers.len());
    // What every worker does have is found, so that a search that finds nothing else means something.
    secrets.add(CONTROL, "http://127.0.0.1:");
    let needles = secrets.needles();
    let mut bytes = 0;
    for pid in workers {
        let search = needles.in_process(pid)?;
        let found = search.found.iter().map(|(needle, place)| (secrets.names(&[*needle]).concat(), place.as_str()));
        let (control, leaks): (Vec<_>, Vec<_>) = found.partition(|(name, _)| name == CONTROL);
        ensure!(leaks.is_empty(), "{leaks:?}");
        let in_memory = control.iter().any(|(_, place)| place.contains('-'));
        ensure!(in_memory && control.iter().any(|(_, place)| *place == "environ"), "only {control:?} was found");
        bytes += search.bytes;
    }
    Ok(bytes)
}

/// Past the test harness, which shows what is printed only of tests that fail.
fn say(line: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "{line}").context("cannot write to stderr")
}
