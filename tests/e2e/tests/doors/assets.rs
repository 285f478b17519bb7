//! Release assets whose address is any URL that their writer chose (forgejo.md §2.9; gateway.md §2).

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::{self, Child};
use e2e::mcp::Mcp;
use e2e::stack::Stack;
use e2e::through_worker::WorkerRequest;
use forgejo_sim::{RunningSim, SimConfig, Sink};
use serde_json::{Value, json};

use super::Intruder;

/// A stranger's server, and an asset of `alice/hello` that points to it.
struct Bait {
    sink: Sink,
    uuid: String,
    release: i64,
    asset: i64,
}

// === impl Bait ===

impl Bait {
    async fn laid_at(sim: &RunningSim) -> Result<Self> {
        let sink = Sink::start(([127, 0, 0, 2], 0).into()).await?;
        let releases: Value = reqwest_get(&format!("{}/api/v1/repos/alice/hello/releases", sim.url())).await?;
        let release = releases[0]["id"].as_i64().context("no release")?;
        let uuid = sim.add_external_asset("alice", "hello", release, "tool.bin", &format!("{}/tool.bin", sink.url()));
        let assets: Value =
            reqwest_get(&format!("{}/api/v1/repos/alice/hello/releases/{release}/assets", sim.url())).await?;
        let asset = assets.as_array().and_then(|assets| assets.iter().find(|asset| asset["name"] == "tool.bin"));
        let asset = asset.and_then(|asset| asset["id"].as_i64()).with_context(|| format!("no asset in {assets}"))?;
        Ok(Self { sink, uuid: uuid.context("no repository")?, release, asset })
    }
}

async fn reqwest_get(url: &str) -> Result<Value> {
    Ok(e2e::broker::http_client()?.get(url).send().await?.json().await?)
}

#[tokio::test]
async fn a_redirect_to_a_stranger_is_neither_followed_nor_passed_on() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let bait = Bait::laid_at(&alice.stack.sim).await?;
    for target in [
        format!("/attachments/{}", bait.uuid),
        format!("/alice/hello/attachments/{}", bait.uuid),
        "/alice/hello/releases/download/v1.0.0/tool.bin".to_owned(),
    ] {
        let request = WorkerRequest::get(target);
        let open = alice.directly(&request).await?;
        ensure!(open.status == 303, "{request} is no redirect at Forgejo: {}", open.status);
        let (answer, _) = alice.send(&request).await?;
        ensure!(answer.status == 403, "{request}: {} {}", answer.status, answer.body);
        ensure!(answer.header("location").is_none(), "{request}: the address was passed on");
        ensure!(answer.message().contains("another server"), "{request}: {}", answer.body);
    }
    ensure!(bait.sink.requests() == 0, "the stranger was called: {:?}", bait.sink.seen());
    Ok(())
}

/// Every program that has the tool sends its token to whatever address the API names. What it has is worth nothing elsewhere, and from
/// rung 2 on it reaches nobody but the gateway.
#[tokio::test]
async fn a_stranger_is_sent_no_token_of_forgejo_on_any_rung_and_from_rung_two_on_nothing_at_all() -> Result<()> {
    let (present, _) = children::table()?;
    let mut reached = 0;
    for (child, rung) in present.iter().flat_map(|child| [1, 2, 3].map(|rung: u8| (child, rung))) {
        let settings = Settings::default().with("WORKER_CAGE_MAX_RUNG", rung.to_string());
        let stack = Stack::start_with(child, SimConfig::default(), settings).await?;
        if stack.rung().await? != rung {
            continue;
        }
        let label = format!("{} on rung {rung}", child.label);
        let (mcp, _, _) = stack.session("alice").await?;
        let mut tools = mcp.tools().await?;
        tools.retain(|tool| tool == "download_release_attachment");
        for _ in tools {
            let bait = downloads_the_bait(&stack, &mcp, child).await.with_context(|| label.clone())?;
            ensure!(rung < 2 || bait.sink.connections() == 0, "{label}: a stranger was reached");
            reached += bait.sink.connections();
        }
    }
    ensure!(reached > 0, "the bait was never taken, so this shows nothing");
    Ok(())
}

async fn downloads_the_bait(stack: &Stack, mcp: &Mcp, child: &Child) -> Result<Bait> {
    let bait = Bait::laid_at(&stack.sim).await?;
    let arguments = json!({"owner": "alice", "repo": "hello", "release_id": bait.release, "attachment_id": bait.asset});
    // Whether the download succeeds is the cage's business.
    mcp.send_call("download_release_attachment", &arguments).await?;
    let issued = stack.sim.issued_secrets();
    for sent in bait.sink.credentials_seen() {
        ensure!(
            !issued.iter().any(|secret| sent.contains(&secret.value)),
            "{} leaked a secret of Forgejo",
            child.label
        );
        let tried = WorkerRequest::get("/api/v1/user").send_to(stack.sim.address(), &sent).await?;
        ensure!(tried.status == 401, "what {} sent to a stranger opens Forgejo: {}", child.label, tried.status);
    }
    for request in bait.sink.seen() {
        let text = format!("{request:?}");
        ensure!(
            !issued.iter().any(|secret| text.contains(&secret.value)),
            "{} leaked a secret of Forgejo",
            child.label
        );
    }
    Ok(bait)
}
