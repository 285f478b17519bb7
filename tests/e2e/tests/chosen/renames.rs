//! A choice follows the repository, not its name.

use anyhow::{Context as _, Result, ensure};
use e2e::through_worker::WorkerRequest;
use serde_json::json;

use super::{Limited, SECRET};

#[tokio::test]
async fn a_renamed_repository_stays_chosen_and_whoever_takes_its_name_is_not() -> Result<()> {
    let alice = Limited::start().await?;
    let sim = &alice.stack.sim;
    ensure!(alice.get("/api/v1/repos/alice/hello").await?.status == 200);
    ensure!(sim.rename_repo("alice", "hello", "greetings"));
    // The old name leads to the new one, for a method that writes too.
    let write = WorkerRequest::new("POST", "/api/v1/repos/alice/hello/issues").json(&json!({"title": "t"}));
    let moved = alice.send(&write).await?;
    ensure!(moved.status == 307, "{} {}", moved.status, moved.body);
    let location = moved.header("location").context("no Location")?;
    ensure!(location.ends_with("/api/v1/repos/alice/greetings/issues"), "{location}");
    let answer = alice.get("/api/v1/repos/alice/greetings/issues/1").await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);

    let id = sim.create_repo("alice", "hello", true).context("the name is taken")?;
    sim.create_issue("alice", "hello", "alice", SECRET, SECRET);
    for target in
        ["/api/v1/repos/alice/hello", "/api/v1/repos/alice/hello/issues/1", "/alice/hello/raw/branch/main/README.md"]
    {
        alice.refused(&WorkerRequest::get(target)).await?;
    }
    alice.refused(&write).await?;
    alice.refused(&WorkerRequest::get(format!("/api/v1/repositories/{id}"))).await?;
    let issues = alice.see("/api/v1/repos/alice/hello/issues").await?;
    ensure!(issues.as_array().is_some_and(|issues| issues.len() == 1), "{issues}");
    Ok(())
}

#[tokio::test]
async fn a_name_that_was_just_read_is_not_written_to_after_it_was_taken() -> Result<()> {
    let alice = Limited::start().await?;
    let sim = &alice.stack.sim;
    ensure!(alice.get("/api/v1/repos/alice/hello/issues").await?.status == 200);
    ensure!(sim.rename_repo("alice", "hello", "greetings"));
    sim.create_repo("alice", "hello", false);
    let write = WorkerRequest::new("POST", "/api/v1/repos/alice/hello/issues").json(&json!({"title": "t"}));
    alice.refused(&write).await?;
    alice.refused(&WorkerRequest::new("DELETE", "/api/v1/repos/alice/hello")).await?;
    ensure!(alice.see("/api/v1/repos/alice/hello/issues").await? == json!([]));
    // And from here on the name is not read by either.
    alice.refused(&WorkerRequest::get("/api/v1/repos/alice/hello/issues")).await?;
    Ok(())
}

#[tokio::test]
async fn the_new_name_of_what_is_outside_is_not_told() -> Result<()> {
    let alice = Limited::start().await?;
    ensure!(alice.stack.sim.rename_repo("alice", "vault", SECRET));
    let asked = WorkerRequest::get("/api/v1/repos/alice/vault/issues");
    let open = alice.directly(&asked).await?;
    ensure!(open.status == 307 && open.header("location").is_some_and(|to| to.contains(SECRET)), "{:?}", open.headers);
    alice.refused(&asked).await?;
    Ok(())
}
