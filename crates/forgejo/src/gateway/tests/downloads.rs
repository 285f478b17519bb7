//! Redirects, release assets and attachments: the user's token stays at Forgejo.

use http::Method;

use super::fake::{SECRET, Seen, Server, World, json, redirect, refusal};
use crate::gateway::{GatewayEvent, GrantAccess, GrantTerms};

const UUID: &str = "0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e";

/// Forgejo as far as downloads go; `elsewhere` is where storage or a stranger is.
fn forge(elsewhere: String) -> impl Fn(&Seen) -> axum::response::Response + Clone + Send + Sync {
    move |seen| match seen.target.as_str() {
        "/api/v1/repos/a/b/releases/1/assets" => json(&format!(
            r#"[{{"id":1,"browser_download_url":"https://git.example/attachments/{UUID}","x":"https://git.example/attachments/{UUID}"}},{{"id":2,"browser_download_url":"{elsewhere}external"}}]"#
        )),
        "/api/v1/repos/a/b/raw/data.json" => json(r#"{"browser_download_url":"https://git.example/x"}"#),
        "/api/v1/repos/a/b/to/elsewhere" | "/a/b/releases/download/v1/external" => {
            redirect(302, &format!("{elsewhere}external?signature=1"))
        }
        "/api/v1/repos/old/b" => redirect(301, "https://git.example/api/v1/repos/new/b?token=x&page=2"),
        "/api/v1/repos/a/b/to/door" => redirect(307, "/api/v1/repos/a/b/hooks"),
        "/a/b/archive/main.zip" => redirect(303, "/user/login?redirect_to=x"),
        _ => json(r#"{"file":"content"}"#),
    }
}

async fn world() -> (World, Server) {
    let elsewhere = Server::start(|_| json(r#"{"browser_download_url":"https://git.example/stored"}"#)).await;
    let world = World::with(forge(elsewhere.url.to_string())).await;
    (world, elsewhere)
}

#[tokio::test]
async fn a_release_asset_is_downloaded_by_the_address_that_the_worker_is_given() {
    let (world, elsewhere) = world().await;
    let assets = world.get("/api/v1/repos/a/b/releases/1/assets").await;
    let text = assets.text().await.unwrap();
    let assets: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(assets[0]["browser_download_url"], format!("{}/attachments/{UUID}", world.gateway.url()));
    assert_eq!(assets[0]["x"], format!("https://git.example/attachments/{UUID}"));
    assert_eq!(assets[1]["browser_download_url"], format!("{}external", elsewhere.url));
    let download = assets[0]["browser_download_url"].as_str().unwrap();
    // As forgejo-mcp 2.34.1 does it: with its token, whatever the address.
    let answer =
        world.client.get(download).header("authorization", format!("token {}", world.token)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), r#"{"file":"content"}"#);
    let seen = world.forgejo.seen().pop().unwrap();
    assert_eq!(seen.target, format!("/attachments/{UUID}"));
    assert_eq!(seen.header("authorization"), Some(&*format!("token {SECRET}")));
}

#[tokio::test]
pub(super) async fn a_redirect_to_a_stranger_is_neither_followed_nor_passed_on() {
    let (mut world, elsewhere) = world().await;
    for target in ["/api/v1/repos/a/b/to/elsewhere", "/a/b/releases/download/v1/external"] {
        let message = refusal(world.get(target).await, 403).await;
        assert!(message.contains("127.0.0.1") && !message.contains("signature"), "{message}");
    }
    assert!(elsewhere.seen().is_empty());
    world.event(|event| matches!(event, GatewayEvent::ForeignRedirect { .. })).await;
}

#[tokio::test]
pub(super) async fn storage_on_the_operators_list_is_fetched_without_any_credential() {
    let elsewhere = Server::start(|_| json(r#"{"browser_download_url":"https://git.example/stored"}"#)).await;
    let storage = elsewhere.url.clone();
    let forgejo = Server::start(forge(elsewhere.url.to_string())).await;
    let world = World::configured(forgejo, |config| config.storage_origins = vec![storage]).await;
    let answer = world
        .request(Method::GET, "/a/b/releases/download/v1/external")
        .header("range", "bytes=0-9")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.text().await.unwrap(),
        r#"{"browser_download_url":"https://git.example/stored"}"#,
        "a file stays as it is"
    );
    let seen = elsewhere.only();
    assert_eq!(seen.target, "/external?signature=1");
    assert_eq!(seen.header("range"), Some("bytes=0-9"));
    assert_eq!(seen.header("authorization"), None);
    let everything = format!("{seen:?}");
    assert!(!everything.contains(SECRET) && !everything.contains(&world.token), "{everything}");
}

#[tokio::test]
pub(super) async fn storage_that_points_elsewhere_is_not_followed() {
    let sink = Server::start(|_| json("{}")).await;
    let sink_url = sink.url.to_string();
    let elsewhere = Server::start(move |_| redirect(302, &sink_url)).await;
    let storage = elsewhere.url.clone();
    let forgejo = Server::start(forge(elsewhere.url.to_string())).await;
    let world = World::configured(forgejo, |config| config.storage_origins = vec![storage]).await;
    refusal(world.get("/a/b/releases/download/v1/external").await, 502).await;
    assert!(sink.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_within_forgejo_is_turned_inwards() {
    let (world, _elsewhere) = world().await;
    let answer = world.get("/api/v1/repos/old/b").await;
    assert_eq!(answer.status(), 301);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(location, format!("{}/api/v1/repos/new/b?page=2", world.gateway.url()));
    assert_eq!(answer.text().await.unwrap(), "");
}

#[tokio::test]
pub(super) async fn a_redirect_within_forgejo_is_judged_anew() {
    let (world, _elsewhere) = world().await;
    let message = refusal(world.get("/api/v1/repos/a/b/to/door").await, 403).await;
    assert!(message.contains("hooks"), "{message}");
    let message = refusal(world.get("/a/b/archive/main.zip").await, 403).await;
    assert!(message.contains("web pages"), "{message}");
    *world.grants.0.lock() = GrantTerms::everywhere(GrantAccess::ReadOnly);
    assert_eq!(world.get("/api/v1/repos/old/b").await.status(), 301);
}

#[tokio::test]
pub(super) async fn the_bytes_of_files_are_never_rewritten() {
    let (world, _elsewhere) = world().await;
    let answer = world.get("/api/v1/repos/a/b/raw/data.json").await;
    assert_eq!(answer.text().await.unwrap(), r#"{"browser_download_url":"https://git.example/x"}"#);
}

#[tokio::test]
async fn json_that_was_compressed_unasked_is_not_passed_on() {
    let world = World::with(|_| {
        let mut answer = json("{}");
        answer.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        answer
    })
    .await;
    refusal(world.request(Method::GET, "/api/v1/user").header("accept-encoding", "gzip").send().await.unwrap(), 502)
        .await;
    assert_eq!(world.forgejo.only().header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn head_answers_have_no_body_and_no_wrong_length() {
    let (world, _elsewhere) = world().await;
    let answer = world.request(Method::HEAD, "/api/v1/repos/a/b/releases/1/assets").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "");
}
