//! Connections to Forgejo.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fake::{Server, World, assignment, json};
use crate::oauth_client::OutboundConfig;

/// A server that counts its connections and answers so many requests (without a body) on each, then closes it without a word.
async fn counting(requests: usize) -> (url::Url, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = Vec::new();
                let mut left = requests;
                while left > 0
                    && let Ok(byte) = stream.read_u8().await
                {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        left -= 1;
                        let answer =
                            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (url, connections)
}

#[tokio::test]
pub(super) async fn workers_share_the_connections_to_forgejo() {
    let (url, connections) = counting(usize::MAX).await;
    let mut world = World::configured(Server::start(|_| json("{}")).await, |config| config.forgejo = url).await;
    assert_eq!(world.get("/api/v1/repos/a/b").await.status(), 200);
    for worker in 0..8 {
        let capability = world.gateway.open();
        capability.assign(assignment());
        capability.ready();
        world.token = capability.token().to_owned();
        let answer = world.get(&format!("/api/v1/repos/a/b{worker}")).await;
        assert_eq!(answer.text().await.unwrap(), "{}");
    }
    // One for all workers, one for the gateway's own question for the version, one for a request that came while both were
    // on their way back to the pool.
    let opened = connections.load(Ordering::SeqCst);
    assert!(opened <= 3, "{opened} connections for nine workers");
}

#[tokio::test]
pub(super) async fn a_connection_that_forgejo_has_closed_is_not_used_again() {
    let (url, connections) = counting(1).await;
    let world = World::configured(Server::start(|_| json("{}")).await, |config| config.forgejo = url).await;
    for number in 1..=20 {
        let answer = world.get(&format!("/api/v1/repos/a/b{number}")).await;
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (200, "{}".to_owned()));
        assert!(connections.load(Ordering::SeqCst) >= number);
    }
}

#[tokio::test]
pub(super) async fn with_an_egress_proxy_forgejo_is_asked_through_it() {
    let proxy = Server::start(|_| json(r#"{"by":"proxy"}"#)).await;
    let outbound = OutboundConfig { proxy: Some(proxy.url.clone()), ..OutboundConfig::default() };
    let forgejo = Server::start(|_| json("{}")).await;
    let address = forgejo.url.clone();
    let world = World::reaching(forgejo, &outbound, |_| {}).await;
    let answer = world.get("/api/v1/repos/a/b").await;
    assert_eq!(answer.text().await.unwrap(), r#"{"by":"proxy"}"#);
    assert_eq!(proxy.seen().first().unwrap().target, format!("{address}api/v1/repos/a/b"));
    assert!(world.forgejo.seen().is_empty());
}
