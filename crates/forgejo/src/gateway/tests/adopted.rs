//! Listeners that were opened for one worker each.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::fake::{Server, World, json, refusal};

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn an_adopted_listener_is_served_like_the_gateways_own_until_it_is_let_go() {
    let world = World::configured(Server::start(|_| json(r#"{"full_name":"a/b"}"#)).await, |_| {}).await;
    let (listener, address) = listener();
    let adopted = world.gateway.adopt(listener).unwrap();
    let request = |token: &str| {
        let url = format!("http://{address}/api/v1/repos/a/b");
        world.client.get(url).header("authorization", format!("token {token}")).header("connection", "close")
    };

    let answer = request(&world.token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(world.forgejo.only().target, "/api/v1/repos/a/b");
    refusal(request("somebody-elses").send().await.unwrap(), 401).await;

    drop(adopted);
    while request(&world.token).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.get("/api/v1/repos/a/b").await.status(), 200, "the gateway's own listener stays");
}
