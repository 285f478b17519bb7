//! Capabilities, and what becomes of Forgejo's 401.

use std::sync::Arc;

use futures_util::stream;
use http::Method;
use parking_lot::Mutex;
use secrecy::SecretString;

use super::fake::{SECRET, Seen, World, assignment, json, refusal, status};
use crate::{
    gateway::GatewayEvent,
    token_source::{After401, CredentialError},
};

/// Forgejo that knows only one token, and echoes any other as Forgejo does.
fn knows(token: &'static str) -> impl Fn(&Seen) -> axum::response::Response + Clone + Send + Sync {
    move |seen| {
        let given = seen.header("authorization").unwrap_or_default();
        if given == format!("token {token}") {
            return json(r#"{"ok":true}"#);
        }
        let mut answer =
            status(401, &format!(r#"{{"message":"access token does not exist [sha: {given}]","url":"x"}}"#));
        answer.headers_mut().insert("www-authenticate", "Bearer".parse().unwrap());
        answer
    }
}

#[tokio::test]
pub(super) async fn wrong_capabilities_get_a_401_in_forgejos_shape_and_are_audited_after_a_few() {
    let mut world = World::plain().await;
    let url = format!("{}/api/v1/user", world.gateway.url());
    let token = world.token.clone();
    let wrong = [
        None,
        Some("token wrong".to_owned()),
        Some(format!("token {SECRET}")),
        Some(format!("Basic {token}")),
        Some(token.clone()),
        Some(format!("token {}", &token[1..])),
    ];
    for authorization in wrong {
        let mut request = world.client.get(&url);
        if let Some(authorization) = &authorization {
            request = request.header("authorization", authorization);
        }
        refusal(request.send().await.unwrap(), 401).await;
    }
    // A header that is there decides, and of two tokens in the query neither.
    let answer =
        world.client.get(format!("{url}?token={token}")).header("authorization", "token wrong").send().await.unwrap();
    refusal(answer, 401).await;
    for query in ["token=wrong".to_owned(), format!("token={token}&access_token={token}"), format!("sudo={token}")] {
        refusal(world.client.get(format!("{url}?{query}")).send().await.unwrap(), 401).await;
    }
    assert!(world.forgejo.seen().is_empty());
    let event = world.event(|event| matches!(event, GatewayEvent::WrongCapability { .. })).await;
    assert_eq!(event, GatewayEvent::WrongCapability { total: 1, suspicious: false });
    world.event(|event| matches!(event, GatewayEvent::WrongCapability { suspicious: true, .. })).await;
}

#[tokio::test]
async fn a_capability_in_the_query_is_one_and_goes_no_further() {
    let world = World::plain().await;
    for name in ["token", "access_token"] {
        let url = format!("{}/api/v1/user?page=2&{name}={}", world.gateway.url(), world.token);
        assert_eq!(world.client.get(url).send().await.unwrap().status(), 200);
    }
    for seen in world.forgejo.seen() {
        assert_eq!(seen.target, "/api/v1/user?page=2");
    }
    assert_eq!(world.forgejo.seen().len(), 2);
}

#[tokio::test]
pub(super) async fn a_dropped_capability_is_refused() {
    let mut world = World::plain().await;
    assert_eq!(world.get("/api/v1/user").await.status(), 200);
    drop(world.capability.take());
    refusal(world.get("/api/v1/user").await, 401).await;
    assert_eq!(world.forgejo.seen().len(), 1);
}

#[tokio::test]
async fn each_worker_acts_only_as_its_own_user() {
    let mut world = World::plain().await;
    let other = world.gateway.open();
    other.ready();
    world.token = other.token().to_owned();
    let message = refusal(world.get("/api/v1/user").await, 403).await;
    assert!(message.contains("not been given to a user"), "{message}");
    let mut unknown_grant = assignment();
    unknown_grant.grant = "ended".into();
    other.assign(unknown_grant);
    refusal(world.get("/api/v1/user").await, 403).await;
    other.assign(assignment());
    assert_eq!(world.get("/api/v1/user").await.status(), 200);
}

#[tokio::test]
pub(super) async fn after_a_401_the_request_is_sent_once_more_with_the_new_token() {
    let mut world = World::with(knows("second")).await;
    world.tokens.after.lock().push_back(Ok(After401::Retry("second".into())));
    let answer = world
        .request(Method::POST, "/api/v1/repos/a/b/issues")
        .header("content-type", "application/json")
        .body(r#"{"title":"x"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let seen = world.forgejo.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(seen[1].header("authorization"), Some("token second"));
    assert_eq!(*world.tokens.failed.lock(), [SECRET]);
    world.event(|event| matches!(event, GatewayEvent::Upstream401 { retried: true, .. })).await;
}

#[tokio::test]
pub(super) async fn a_second_401_becomes_a_403_of_our_own() {
    let world = World::with(knows("nobody")).await;
    world.tokens.after.lock().push_back(Ok(After401::Retry("second-secret".into())));
    let message = refusal(world.get("/api/v1/user").await, 403).await;
    assert!(!message.contains("second-secret") && !message.contains("sha"), "{message}");
    assert_eq!(world.forgejo.seen().len(), 2, "one retry and no more");
}

#[tokio::test]
async fn a_401_with_a_living_credential_becomes_a_403_of_our_own() {
    let world = World::with(knows("nobody")).await;
    refusal(world.get("/api/v1/user").await, 403).await;
    assert_eq!(world.forgejo.seen().len(), 1);
}

#[tokio::test]
pub(super) async fn a_dead_credential_tells_the_user_to_log_in_again() {
    let world = World::with(knows("nobody")).await;
    world.tokens.after.lock().push_back(Err(CredentialError::Dead("internal reason".to_owned())));
    let message = refusal(world.get("/api/v1/user").await, 403).await;
    assert!(message.contains("log in again") && !message.contains("internal reason"), "{message}");
    for error in [CredentialError::Dead("x".to_owned()), CredentialError::Unknown] {
        *world.tokens.current.lock() = Err(error);
        assert!(refusal(world.get("/api/v1/user").await, 403).await.contains("log in again"));
    }
    assert_eq!(world.forgejo.seen().len(), 1);
}

#[tokio::test]
async fn an_unavailable_credential_is_503_with_retry_after() {
    let world = World::plain().await;
    *world.tokens.current.lock() =
        Err(CredentialError::Unavailable { reason: "connect to 10.0.0.1: secret".to_owned(), retry_after: 17 });
    let answer = world.get("/api/v1/user").await;
    assert_eq!(answer.headers()["retry-after"], "17");
    assert!(!refusal(answer, 503).await.contains("10.0.0.1"));
}

#[tokio::test]
pub(super) async fn a_streamed_body_is_not_sent_twice() {
    let world = World::with(knows("second")).await;
    world.tokens.after.lock().push_back(Ok(After401::Retry("second".into())));
    let pieces = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let answer = world
        .request(Method::POST, "/api/v1/repos/a/b/issues")
        .header("content-type", "application/octet-stream")
        .body(reqwest::Body::wrap_stream(stream::iter(pieces)))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    let message = refusal(answer, 503).await;
    assert!(message.contains("send the request again"), "{message}");
    assert_eq!(world.forgejo.seen().len(), 1);
}

#[tokio::test]
pub(super) async fn a_body_of_a_mebibyte_is_sent_twice_and_a_longer_one_is_not() {
    for (length, status, requests) in [(1 << 20, 200, 2), ((1 << 20) + 1, 503, 1)] {
        let world = World::with(knows("second")).await;
        world.tokens.after.lock().push_back(Ok(After401::Retry("second".into())));
        let answer = world
            .request(Method::POST, "/api/v1/repos/a/b/issues")
            .header("content-type", "application/json")
            .body(vec![b' '; length])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{length}");
        assert_eq!(world.forgejo.seen().len(), requests, "{length}");
    }
}

#[tokio::test]
async fn a_stored_token_that_is_no_header_value_is_not_sent() {
    let world = World::plain().await;
    *world.tokens.current.lock() = Ok(SecretString::from("a\r\nSudo: root"));
    refusal(world.get("/api/v1/user").await, 502).await;
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
async fn what_is_under_way_ends_with_the_capability() {
    let (reached, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let reached = Arc::new(Mutex::new(reached));
    let router = axum::Router::new().fallback(move || {
        let reached = Arc::clone(&reached);
        async move {
            reached.lock().send(()).unwrap();
            std::future::pending::<()>().await;
        }
    });
    let mut world = World::configured(super::fake::Server::with_router(router).await, |_| {}).await;
    let asking = tokio::spawn(world.request(Method::GET, "/api/v1/user").send());
    arrived.recv().await.unwrap();
    drop(world.capability.take());
    refusal(asking.await.unwrap().unwrap(), 401).await;
}
