use anyhow::{Result, ensure};
use e2e::children;
use e2e::events::Events;
use e2e::modern::Modern;
use e2e::stack::{Stack, until_ok};
use serde_json::{Value, json};

use super::{client, house};

const TAG: &str = "io.modelcontextprotocol/subscriptionId";

async fn listen(alice: &Modern, filter: &Value) -> Result<(Events, Value, Value)> {
    let message = alice.message("subscriptions/listen", &json!({"notifications": filter}));
    let mut events = Events::of(alice.open(&message, &[]).await?)?;
    let first = events.message().await?;
    ensure!(first["method"] == "notifications/subscriptions/acknowledged", "{first}");
    ensure!(first["params"]["_meta"][TAG] == message["id"], "{first}");
    Ok((events, message["id"].clone(), first["params"]["notifications"].clone()))
}

#[tokio::test]
async fn changes_reach_everybody_who_listens_for_them() -> Result<()> {
    let (_stack, alice) = house().await?;
    let (mut one, first, kept) = listen(&alice, &json!({"toolsListChanged": true, "promptsListChanged": true})).await?;
    ensure!(kept == json!({"toolsListChanged": true}), "{kept}");
    let (mut two, second, _) = listen(&alice, &json!({"toolsListChanged": true})).await?;
    let before = alice.request("tools/list", &json!({})).await?;
    alice.call("list_changed", &json!({"add": "fresh"})).await?;
    for (events, id) in [(&mut one, first), (&mut two, second)] {
        let told = events.message().await?;
        ensure!(told["method"] == "notifications/tools/list_changed" && told["params"]["_meta"][TAG] == id, "{told}");
    }
    let after = alice.request("tools/list", &json!({})).await?;
    ensure!(!before.to_string().contains("fresh") && after.to_string().contains("fresh"), "a stale list");
    Ok(())
}

/// Trap 12.
#[tokio::test]
async fn a_watched_resource_is_subscribed_to_once_and_given_up_when_nobody_listens() -> Result<()> {
    let stack = Stack::start(&children::fixture("2.34.1")?.with_args(&["--subscribe"])).await?;
    let alice = client(&stack, "alice").await?;
    let filter = json!({"resourceSubscriptions": ["fixture://note"]});
    let ((mut one, id, kept), (two, ..)) = tokio::try_join!(listen(&alice, &filter), listen(&alice, &filter))?;
    ensure!(kept == filter, "{kept}");
    let touched = async |told: bool| -> Result<()> {
        until_ok("the worker knows who listens", async || {
            let report = alice.call("touch_resource", &json!({})).await?["structuredContent"].clone();
            ensure!(report["told"] == told, "{report}");
            Ok(())
        })
        .await
    };
    touched(true).await?;
    let told = one.message().await?;
    ensure!(told["method"] == "notifications/resources/updated" && told["params"]["_meta"][TAG] == id, "{told}");
    drop(two);
    touched(true).await?;
    drop(one);
    touched(false).await
}

#[tokio::test]
async fn listens_end_with_their_response_when_the_broker_stops() -> Result<()> {
    let (mut stack, alice) = house().await?;
    let (mut events, id, _) = listen(&alice, &json!({"toolsListChanged": true})).await?;
    let (rest, stopped) = tokio::join!(events.rest(), stack.broker.terminate());
    stopped?;
    let last = rest?.pop();
    let expected = json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "_meta": {TAG: id}}});
    ensure!(last.as_ref() == Some(&expected), "{last:?}");
    Ok(())
}
