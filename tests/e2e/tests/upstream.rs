//! The one login at Forgejo behind all connections of a user: kept alive, lost, won back (design.md §5, "Upstream credential").

mod expiry;
mod killed;
mod lost;
mod outages;

use anyhow::{Context as _, Result, ensure};
use e2e::children;
use e2e::mcp::{Answer, Mcp};
use e2e::stack::Stack;
use serde_json::json;

async fn house() -> Result<Stack> {
    Stack::start(&children::fixture("2.34.1")?).await
}

/// A call that reaches Forgejo.
async fn whoami(mcp: &Mcp) -> Result<Answer> {
    mcp.send_call("get_my_user_info", &json!({})).await
}

async fn ensure_served(mcp: &Mcp, login: &str) -> Result<()> {
    let answer = whoami(mcp).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let text = answer.result().context("the tool failed")?.to_string();
    ensure!(text.contains(login), "{text}");
    Ok(())
}

/// 401 with a challenge that names metadata and the reason (RFC 9728 §5.1, RFC 6750 §3.1).
fn ensure_challenged(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
    let challenge = answer.header("www-authenticate").context("no challenge")?;
    for part in ["resource_metadata=", "scope=\"read write\"", "error=\"invalid_token\""] {
        ensure!(challenge.contains(part), "no {part} in {challenge}");
    }
    Ok(())
}
