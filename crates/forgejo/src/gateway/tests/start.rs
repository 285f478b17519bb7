//! A worker's start, before and after its first word.

use http::Method;
use serde_json::{Value, json};

use super::fake::{Server, World, assignment, json as answer_json, refusal};
use crate::gateway::GatewayEvent;

/// A world whose token is an unassigned, starting worker's.
async fn starting(forgejo: Server) -> (World, crate::gateway::Capability) {
    let mut world = World::configured(forgejo, |_| {}).await;
    let capability = world.gateway.open();
    world.token = capability.token().to_owned();
    (world, capability)
}

#[tokio::test]
async fn start_up_probes_are_answered_without_forgejo() {
    let (world, capability) = starting(Server::start(|_| answer_json("{}")).await).await;
    let version: Value = world.get("/api/v1/version").await.json().await.unwrap();
    assert_eq!(version["version"], "11.0.0+gitea-1.22.0");
    let nobody: Value = world.get("/api/v1/user").await.json().await.unwrap();
    assert_eq!(nobody["id"], 0);
    capability.assign(assignment());
    let user: Value = world.get("/api/v1/user").await.json().await.unwrap();
    assert_eq!((&user["id"], &user["login"]), (&json!(7), &json!("alice")));
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
async fn everything_else_is_refused_before_the_user_is_known() {
    let (world, _capability) = starting(Server::start(|_| answer_json("{}")).await).await;
    for target in ["/api/v1/user/repos", "/api/v1/repos/a/b", "/a/b/archive/main.zip"] {
        refusal(world.get(target).await, 403).await;
    }
    refusal(world.request(Method::POST, "/api/v1/user").send().await.unwrap(), 403).await;
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
async fn after_the_start_the_probes_are_forwarded_like_everything_else() {
    let (world, capability) = starting(Server::start(|_| answer_json(r#"{"login":"from-forgejo"}"#)).await).await;
    capability.ready();
    refusal(world.get("/api/v1/user").await, 403).await;
    capability.assign(assignment());
    let user: Value = world.get("/api/v1/user").await.json().await.unwrap();
    assert_eq!(user["login"], "from-forgejo");
    assert_eq!(world.forgejo.only().target, "/api/v1/user");
}

#[tokio::test]
async fn the_version_is_learned_with_a_living_credential() {
    let (mut world, capability) =
        starting(Server::start(|_| answer_json(r#"{"version":"15.0.3+gitea-1.22.0"}"#)).await).await;
    capability.assign(assignment());
    assert_eq!(world.get("/api/v1/repos/a/b").await.status(), 200);
    world.event(|event| matches!(event, GatewayEvent::Forwarded { .. })).await;
    while world.gateway.forgejo_version().is_none() {
        tokio::task::yield_now().await;
    }
    let version: Value = world.get("/api/v1/version").await.json().await.unwrap();
    assert_eq!(version["version"], "15.0.3+gitea-1.22.0");
}

#[tokio::test]
async fn a_version_from_an_earlier_run_is_remembered() {
    let (world, _capability) = starting(Server::start(|_| answer_json("{}")).await).await;
    world.gateway.remember_forgejo_version("14.0.1+gitea-1.22.0");
    let version: Value = world.get("/api/v1/version").await.json().await.unwrap();
    assert_eq!(version["version"], "14.0.1+gitea-1.22.0");
}
