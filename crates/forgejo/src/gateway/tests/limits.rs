//! Caps and deadlines, over real sockets.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use tokio::sync::Notify;

use super::fake::{Server, World, json, refusal};
use crate::gateway::{GatewayAssignment, GatewayEvent, LimitKind};

#[tokio::test]
pub(super) async fn a_user_with_too_many_requests_is_told_when_to_come_back() {
    let forgejo = Server::start(|_| json("{}")).await;
    let mut world = World::configured(forgejo, |config| config.limits.requests_per_minute = 2).await;
    assert_eq!(world.get("/api/v1/user").await.status(), 200);
    assert_eq!(world.get("/api/v1/user").await.status(), 200);
    let answer = world.get("/api/v1/user").await;
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    let message = refusal(answer, 429).await;
    assert!(message.contains("too many requests"), "{message}");
    assert_eq!(world.forgejo.seen().len(), 2);
    let event = world.event(|event| matches!(event, GatewayEvent::LimitHit { .. })).await;
    assert_eq!(event, GatewayEvent::LimitHit { user: "alice".into(), kind: LimitKind::Requests });
}

#[tokio::test]
pub(super) async fn bytes_in_both_directions_count() {
    let forgejo = Server::start(|_| json(&"x".repeat(600))).await;
    let world = World::configured(forgejo, |config| config.limits.bytes_per_minute = 1000).await;
    let post = || world.request(Method::POST, "/api/v1/markdown/raw").body("y".repeat(600));
    assert_eq!(post().send().await.unwrap().text().await.unwrap().len(), 600);
    let message = refusal(post().send().await.unwrap(), 429).await;
    assert!(message.contains("bytes"), "{message}");
}

#[tokio::test]
pub(super) async fn requests_at_once_are_capped_and_the_place_is_given_back() {
    let (go, held) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (released, reached) = (Arc::clone(&go), Arc::clone(&held));
    let router = Router::new().fallback(move |uri: http::Uri| {
        let (released, reached) = (Arc::clone(&released), Arc::clone(&reached));
        async move {
            if uri.path().ends_with("slow") {
                reached.notify_one();
                released.notified().await;
            }
            "done"
        }
    });
    let world = World::configured(Server::with_router(router).await, |config| {
        config.limits.at_once = 1;
        config.timeouts.queue = Duration::from_millis(50);
    })
    .await;
    let slow = tokio::spawn(world.request(Method::GET, "/api/v1/repos/a/slow").send());
    held.notified().await;
    let message = refusal(world.get("/api/v1/user").await, 429).await;
    assert!(message.contains("at once"), "{message}");
    go.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "done");
    assert_eq!(world.get("/api/v1/user").await.status(), 200);
}

#[tokio::test]
async fn a_body_beyond_the_cap_is_refused_declared_or_not() {
    let forgejo = Server::start(|_| json("{}")).await;
    let world = World::configured(forgejo, |config| config.limits.body_bytes = 3 << 20).await;
    let post = || world.request(Method::POST, "/api/v1/repos/a/b/issues").header("content-type", "application/json");
    refusal(post().body(vec![b' '; 4 << 20]).send().await.unwrap(), 413).await;
    let pieces = stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10])));
    refusal(post().body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap(), 413).await;
    assert!(world.forgejo.seen().is_empty(), "Forgejo must not get a whole request");
}

#[tokio::test]
pub(super) async fn a_mute_forgejo_is_a_504_in_forgejos_shape() {
    let router = Router::new().fallback(|| async { std::future::pending::<()>().await });
    let mut world = World::configured(Server::with_router(router).await, |config| {
        config.timeouts.first_byte = Duration::from_millis(50);
    })
    .await;
    refusal(world.get("/api/v1/user").await, 504).await;
    world.event(|event| matches!(event, GatewayEvent::UpstreamFailed { .. })).await;
}

#[tokio::test]
async fn an_absent_forgejo_is_a_503_in_forgejos_shape() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let forgejo = Server::start(|_| json("{}")).await;
    let world = World::configured(forgejo, |config| config.forgejo = nobody.parse().unwrap()).await;
    let answer = world.get("/api/v1/user").await;
    assert!(answer.headers().contains_key("retry-after"));
    refusal(answer, 503).await;
}

#[tokio::test]
pub(super) async fn an_answer_that_stops_in_the_middle_is_broken_off() {
    let router = Router::new().fallback(|| async {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"[1,"))]);
        Body::from_stream(first.chain(stream::pending()))
    });
    let world = World::configured(Server::with_router(router).await, |config| {
        config.timeouts.between_bytes = Duration::from_millis(50);
    })
    .await;
    let answer = world.get("/api/v1/user").await;
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "a cut answer must not look whole");
}

#[tokio::test]
pub(super) async fn a_worker_that_stops_sending_its_body_is_told_so() {
    let forgejo = Server::start(|_| json("{}")).await;
    let world = World::configured(forgejo, |config| config.timeouts.between_bytes = Duration::from_millis(50)).await;
    let answer = world
        .raw("POST /api/v1/repos/a/b/issues HTTP/1.1\r\nHost: x\r\nAuthorization: token TOKEN\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{")
        .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
pub(super) async fn a_slow_header_ends_the_connection() {
    let forgejo = Server::start(|_| json("{}")).await;
    let world = World::configured(forgejo, |config| config.timeouts.header = Duration::from_millis(50)).await;
    let answer = world.raw("GET /api/v1/user HTTP/1.1\r\nHost: x\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_cancelled_gateway_lets_requests_under_way_end() {
    let (go, held) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (released, reached) = (Arc::clone(&go), Arc::clone(&held));
    let router = Router::new().fallback(move || {
        let (released, reached) = (Arc::clone(&released), Arc::clone(&reached));
        async move {
            reached.notify_one();
            released.notified().await;
            "done"
        }
    });
    let mut world = World::configured(Server::with_router(router).await, |_| {}).await;
    let asking = tokio::spawn(world.request(Method::GET, "/api/v1/user").send());
    held.notified().await;
    world.stop.cancel();
    go.notify_one();
    assert_eq!(asking.await.unwrap().unwrap().text().await.unwrap(), "done");
    world.serving.take().unwrap().await.unwrap();
    let error = world.request(Method::GET, "/api/v1/user").send().await.unwrap_err();
    assert!(error.is_connect(), "the port must be closed: {error:?}");
}

#[tokio::test]
pub(super) async fn refusals_count_as_requests() {
    let forgejo = Server::start(|_| json("{}")).await;
    let world = World::configured(forgejo, |config| config.limits.requests_per_minute = 2).await;
    refusal(world.get("/api/v1/admin/users").await, 403).await;
    refusal(world.get("/user/login").await, 403).await;
    refusal(world.get("/api/v1/admin/users").await, 429).await;
}

#[tokio::test]
pub(super) async fn a_limit_is_one_users_and_not_his_neighbours() {
    let forgejo = Server::start(|_| json("{}")).await;
    let mut world = World::configured(forgejo, |config| config.limits.requests_per_minute = 1).await;
    assert_eq!(world.get("/api/v1/user").await.status(), 200);
    refusal(world.get("/api/v1/user").await, 429).await;
    let neighbour = world.gateway.open();
    neighbour.assign(GatewayAssignment { user: "bob".into(), grant: "grant".into() });
    neighbour.ready();
    world.token = neighbour.token().to_owned();
    assert_eq!(world.get("/api/v1/user").await.status(), 200);
}

#[tokio::test]
pub(super) async fn a_forgejo_that_stops_taking_a_body_is_a_504() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("http://{}", listener.local_addr().unwrap());
    // Accepts, and reads not one byte.
    let accepted = tokio::spawn(async move { listener.accept().await.unwrap() });
    let forgejo = Server::start(|_| json("{}")).await;
    let world = World::configured(forgejo, |config| {
        config.forgejo = mute.parse().unwrap();
        config.timeouts.first_byte = Duration::from_millis(200);
    })
    .await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 << 10])));
    let answer = world
        .request(Method::PUT, "/api/v1/repos/a/b/contents/x")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(endless.take(4096)))
        .send()
        .await;
    // A worker that goes on sending meets either the refusal or the connection's end.
    if let Ok(answer) = answer {
        refusal(answer, 504).await;
    }
    accepted.await.unwrap();
}

#[tokio::test]
pub(super) async fn a_worker_that_does_not_read_its_answer_loses_its_place() {
    let router = Router::new().fallback(|uri: http::Uri| async move {
        let pieces = if uri.path().ends_with("endless") { usize::MAX } else { 1 };
        let piece = || Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 64 << 10]));
        Body::from_stream(stream::repeat_with(piece).take(pieces))
    });
    let world = World::configured(Server::with_router(router).await, |config| {
        config.limits.at_once = 1;
        config.timeouts.between_bytes = Duration::from_millis(200);
        config.timeouts.queue = Duration::from_secs(30);
    })
    .await;
    let stuck = world.get("/a/b/archive/endless").await;
    assert_eq!(stuck.status(), 200);
    // The only place comes free although the worker keeps its connection open.
    let next = world.get("/a/b/archive/main.zip").await;
    assert_eq!(next.status(), 200);
    assert_eq!(next.bytes().await.unwrap().len(), 64 << 10);
    drop(stuck);
}
