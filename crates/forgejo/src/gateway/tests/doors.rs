//! The doors of forgejo.md §4.10 and gateway.md §3, tried through the gateway.

use http::Method;

use super::fake::{Server, World, json, refusal};
use crate::gateway::{DoorGroup, DoorGroups, GatewayEvent, GrantAccess, GrantTerms};

const CLOSED: &[&str] = &[
    "/api/v1/admin/users",
    "/api/v1/users/alice/tokens",
    "/api/v1/user/keys",
    "/api/v1/user/gpg_keys",
    "/api/v1/user/gpg_key_token",
    "/api/v1/user/gpg_key_verify",
    "/api/v1/user/applications/oauth2",
    "/api/v1/user/emails",
    "/api/v1/user/hooks",
    "/api/v1/user/actions/runners/registration-token",
    "/api/v1/user/actions/secrets/X",
    "/api/v1/repos/alice/priv/actions/runners/registration-token",
    "/api/v1/repos/alice/priv/actions/secrets",
    "/api/v1/repos/alice/priv/actions/variables/X",
    "/api/v1/orgs/o/actions/runners/registration-token",
    "/api/v1/repos/alice/priv/hooks",
    "/api/v1/orgs/o/hooks/1",
    "/api/v1/repos/alice/priv/keys",
    "/api/v1/repos/alice/priv/push_mirrors",
    "/api/v1/repos/alice/priv/push_mirrors-sync",
    "/api/v1/repos/alice/priv/collaborators/bob",
    "/api/v1/repos/alice/priv/transfer",
    "/api/v1/repos/migrate",
    "/api/v1/activitypub/actor",
    "/api/v1//repos//ALICE/%70riv//hooks/",
    "/api/v1/repos/alice/priv/%68ooks",
];

#[tokio::test]
pub(super) async fn every_closed_door_is_shut_for_every_method() {
    let mut world = World::plain().await;
    for target in CLOSED {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = world.request(method.clone(), target).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{method} {target}");
        }
    }
    assert!(world.forgejo.seen().is_empty());
    let message = refusal(world.get("/api/v1/repos/alice/priv/hooks").await, 403).await;
    assert!(message.contains("\"hooks\""), "{message}");
    let event = world.event(|event| matches!(event, GatewayEvent::DoorRefused { .. })).await;
    assert!(matches!(event, GatewayEvent::DoorRefused { group: DoorGroup::Admin, .. }), "{event:?}");
}

#[tokio::test]
pub(super) async fn an_open_group_is_reachable_and_the_others_stay_shut() {
    let forgejo = Server::start(|_| json("[]")).await;
    let world = World::configured(forgejo, |config| {
        config.open_doors = [DoorGroup::Hooks].into_iter().collect::<DoorGroups>();
    })
    .await;
    assert_eq!(world.get("/api/v1/repos/a/b/hooks").await.status(), 200);
    refusal(world.get("/api/v1/repos/a/b/keys").await, 403).await;
}

#[tokio::test]
pub(super) async fn a_read_only_grant_reads_and_renders_but_never_writes() {
    let mut world = World::plain().await;
    *world.grants.0.lock() = GrantTerms::everywhere(GrantAccess::ReadOnly);
    assert_eq!(world.get("/api/v1/repos/a/b/issues").await.status(), 200);
    assert_eq!(world.request(Method::HEAD, "/api/v1/repos/a/b").send().await.unwrap().status(), 200);
    for target in ["/api/v1/markdown", "/api/v1/markdown/raw", "/api/v1/markup"] {
        let answer = world.request(Method::POST, target).body("# x").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{target}");
    }
    let before = world.forgejo.seen().len();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = world
            .request(method.clone(), "/api/v1/repos/a/b/issues/1")
            .header("x-http-method-override", "GET")
            .body("{}")
            .send()
            .await
            .unwrap();
        let message = refusal(answer, 403).await;
        assert!(message.contains("read-only") && message.contains(method.as_str()), "{message}");
    }
    assert_eq!(world.forgejo.seen().len(), before);
    world.event(|event| matches!(event, GatewayEvent::ReadOnlyRefused { .. })).await;
}

#[tokio::test]
pub(super) async fn a_method_override_does_not_turn_a_read_into_a_write() {
    let world = World::plain().await;
    *world.grants.0.lock() = GrantTerms::everywhere(GrantAccess::ReadOnly);
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let answer = world.request(Method::GET, "/api/v1/repos/a/b").header(name, "DELETE").send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    for seen in world.forgejo.seen() {
        assert_eq!(seen.method, Method::GET);
        assert!(seen.headers.keys().all(|name| !name.as_str().contains("method")));
    }
}

#[tokio::test]
async fn the_grant_is_read_at_every_request() {
    let world = World::plain().await;
    assert_eq!(world.request(Method::DELETE, "/api/v1/repos/a/b").send().await.unwrap().status(), 200);
    *world.grants.0.lock() = GrantTerms::everywhere(GrantAccess::ReadOnly);
    assert_eq!(world.request(Method::DELETE, "/api/v1/repos/a/b").send().await.unwrap().status(), 403);
    *world.grants.0.lock() = GrantTerms::everywhere(GrantAccess::Ended);
    let message = refusal(world.get("/api/v1/repos/a/b").await, 403).await;
    assert!(message.contains("log in again"), "{message}");
    assert_eq!(world.forgejo.seen().len(), 1);
}
