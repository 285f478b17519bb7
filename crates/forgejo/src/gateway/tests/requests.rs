//! What of a worker's request reaches Forgejo.

use http::Method;

use super::fake::{SECRET, World, refusal};
use crate::gateway::{GatewayEvent, RequestClass};

#[tokio::test]
pub(super) async fn the_users_token_takes_the_place_of_the_capability() {
    let mut world = World::plain().await;
    for scheme in ["token", "Bearer", "bearer", "Token"] {
        let url = format!("{}/api/v1/repos/a/b", world.gateway.url());
        let answer =
            world.client.get(url).header("authorization", format!("{scheme} {}", world.token)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{scheme}");
        assert_eq!(answer.text().await.unwrap(), r#"{"ok":true}"#);
    }
    for seen in world.forgejo.seen() {
        assert_eq!(seen.header("authorization"), Some(&*format!("token {SECRET}")));
        assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
        assert!(!format!("{seen:?}").contains(&world.token));
    }
    let event = world.event(|event| matches!(event, GatewayEvent::Forwarded { .. })).await;
    assert!(matches!(event, GatewayEvent::Forwarded { class: RequestClass::Read, .. }));
}

#[tokio::test]
async fn only_listed_headers_reach_forgejo() {
    let world = World::plain().await;
    let mut request = world.request(Method::GET, "/api/v1/repos/a/b");
    for (name, value) in [
        ("cookie", "i_like_gitea=1"),
        ("sudo", "root"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-webauth-user", "root"),
        ("x-http-method-override", "DELETE"),
        ("x-gitea-otp", "1"),
        ("baggage", "a=b"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        request = request.header(name, value);
    }
    let answer = request.header("range", "bytes=0-5").header("if-none-match", "\"1\"").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let seen = world.forgejo.only();
    assert_eq!(seen.method, Method::GET);
    let mut names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "accept-encoding", "authorization", "host", "if-none-match", "range", "traceparent", "user-agent"]
    );
    assert_eq!(seen.header("user-agent"), Some("forgejo-mcp/2.34.1"));
}

#[tokio::test]
async fn sudo_and_token_parameters_never_reach_forgejo() {
    let world = World::plain().await;
    for query in ["sudo=root", "token=abc", "access_token=abc", "Token=abc", "s%75do=root", "token=a&token=b"] {
        assert_eq!(world.get(&format!("/api/v1/user?{query}")).await.status(), 200, "{query}");
    }
    assert_eq!(world.get("/api/v1/user/repos?page=2&sudo=root&limit=5").await.status(), 200);
    let targets: Vec<String> = world.forgejo.seen().into_iter().map(|seen| seen.target).collect();
    let (last, others) = targets.split_last().unwrap();
    assert_eq!(last, "/api/v1/user/repos?page=2&limit=5");
    assert!(others.iter().all(|target| target == "/api/v1/user"), "{others:?}");
}

#[tokio::test]
async fn forgejo_sees_the_path_that_was_judged() {
    let world = World::plain().await;
    for (sent, forwarded) in [
        ("/api/v1/repos/alice//priv", "/api/v1/repos/alice/priv"),
        ("//api/v1/repos/alice/priv/", "/api/v1/repos/alice/priv"),
        ("/api/v1/repos/alice/%70riv", "/api/v1/repos/alice/priv"),
        ("/api/v1/repos/a/b/branches/x%2fy", "/api/v1/repos/a/b/branches/x%2Fy"),
        ("/api/v1/repos/a/b/compare/x...y", "/api/v1/repos/a/b/compare/x...y"),
        ("/api/v1/repos/a/b/contents/a%20b?ref=x/y", "/api/v1/repos/a/b/contents/a%20b?ref=x%2Fy"),
    ] {
        let request =
            format!("GET {sent} HTTP/1.1\r\nHost: x\r\nAuthorization: token TOKEN\r\nConnection: close\r\n\r\n");
        let answer = world.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{sent}: {answer}");
        assert_eq!(world.forgejo.seen().last().unwrap().target, forwarded);
    }
}

#[tokio::test]
async fn a_sub_path_of_forgejo_is_put_before_the_path() {
    let forgejo = super::fake::Server::start(|_| super::fake::json("{}")).await;
    let base = forgejo.url.join("git").unwrap();
    let world = World::configured(forgejo, |config| config.forgejo = base).await;
    assert_eq!(world.get("/api/v1/user?x=1").await.status(), 200);
    assert_eq!(world.forgejo.only().target, "/git/api/v1/user?x=1");
}

#[tokio::test]
async fn dot_segments_and_their_kin_are_refused_on_the_wire() {
    let world = World::plain().await;
    for target in [
        "/api/v1/repos/a/../../admin/users",
        "/api/v1/repos/a/%2e%2e/%2e%2e/admin/users",
        "/api/v1/repos/a/b/contents/..%2f..%2f..%2fadmin",
        "/api/v1/repos/a/b\\..\\admin",
        "/api/v1/repos/a/b%5cadmin",
        "/api/v1/repos/a/%2570riv",
        "/api/v1/repos/a/b%00",
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: token TOKEN\r\nConnection: close\r\n\r\n");
        let answer = world.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
    }
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
async fn absolute_form_connect_and_upgrade_are_refused() {
    let world = World::plain().await;
    let host = world.gateway.url().strip_prefix("http://").unwrap().to_owned();
    for head in [
        "GET http://evil.example/api/v1/user HTTP/1.1\r\nHost: evil.example".to_owned(),
        format!("GET http://{host}/api/v1/user HTTP/1.1\r\nHost: {host}"),
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: x".to_owned(),
        "GET /api/v1/user HTTP/1.1\r\nHost: x\r\nUpgrade: websocket".to_owned(),
        "GET /api/v1/user HTTP/1.1\r\nHost: x\r\nUpgrade: h2c".to_owned(),
    ] {
        let answer = world.raw(&format!("{head}\r\nAuthorization: token TOKEN\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
        assert!(answer.contains("\"message\""), "{answer}");
    }
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
async fn places_outside_of_the_api_and_the_downloads_are_refused() {
    let world = World::plain().await;
    for target in [
        "/user/login",
        "/login/oauth/access_token",
        "/alice/priv.git/info/refs?service=git-upload-pack",
        "/alice/priv",
        "/api/swagger",
        "/v2/token",
    ] {
        let message = refusal(world.get(target).await, 403).await;
        assert!(message.contains("/api/v1"), "{message}");
    }
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
async fn methods_that_the_api_does_not_have_are_refused() {
    let world = World::plain().await;
    for method in ["OPTIONS", "TRACE", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = world.request(method, "/api/v1/user").send().await.unwrap();
        refusal(answer, 405).await;
    }
    let answer = world.request(Method::POST, "/a/b/archive/main.zip").send().await.unwrap();
    refusal(answer, 405).await;
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
pub(super) async fn json_bodies_pass_unchanged() {
    let world = World::plain().await;
    let body = r#"{"title":"x","sudo":"a value in JSON is no parameter","n":12345678901234567890}"#;
    let answer = world
        .request(Method::POST, "/api/v1/repos/a/b/issues")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let seen = world.forgejo.only();
    assert_eq!((seen.method, &seen.body[..]), (Method::POST, body.as_bytes()));
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["content-length"], body.len().to_string().as_str());
}

#[tokio::test]
async fn a_body_on_get_is_refused() {
    let world = World::plain().await;
    let answer = world.request(Method::GET, "/api/v1/user").body("sudo=root").send().await.unwrap();
    refusal(answer, 400).await;
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
async fn cookies_and_challenges_do_not_reach_the_worker() {
    let world = World::with(|_| {
        let mut response = super::fake::status(403, r#"{"message":"no"}"#);
        for (name, value) in [("set-cookie", "i_like_gitea=1"), ("www-authenticate", "Bearer"), ("x-total-count", "3")]
        {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    })
    .await;
    let answer = world.get("/api/v1/user").await;
    assert_eq!(answer.status(), 403);
    assert!(!answer.headers().contains_key("set-cookie") && !answer.headers().contains_key("www-authenticate"));
    assert_eq!(answer.headers()["x-total-count"], "3");
    assert_eq!(answer.text().await.unwrap(), r#"{"message":"no"}"#, "Forgejo's own errors are passed on");
}
