//! The layers around a small router, as the real one puts them.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Extension, Request};
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::config::AllowedHost;
use crate::serve::PeerAddress;
use crate::telemetry::captured::Captured;

const PEER: &str = "10.0.0.1:4711";

async fn echo(body: Body) -> Result<String, Response> {
    let body = read_body(body, Duration::from_mins(1)).await;
    body.map(|body| format!("read {}", body.len())).map_err(|error| error.refusal().into_response(Shape::JsonRpc, None))
}

async fn insides() -> &'static str {
    panic!("secret insides")
}

fn mcp() -> Router {
    let guard = HostGuard::new(
        vec![AllowedHost::parse("mcp.test").unwrap()],
        vec!["https://mcp.test".into(), "http://localhost:6274".into()],
    );
    let around = AroundMcp::new(guard, 10);
    Router::new().route(
        "/mcp",
        any(async move |request: Request| {
            let echoed = async |request: Request| echo(request.into_body()).await.into_response();
            around.through(request, echoed).await
        }),
    )
}

fn app() -> Router {
    let oauth = Router::new()
        .route("/oauth/token", post(|| async { "token" }))
        .route("/oauth/slow", get(|| async { std::future::pending::<()>().await }));
    let pages = Router::new().route("/oauth/authorize", get(insides).post(|| async { "posted" })).route(
        "/who",
        get(|Extension(client): Extension<ClientAddress>, Extension(id): Extension<RequestId>| async move {
            format!("{} {id}", client.0)
        }),
    );
    let router = Router::new().merge(mcp()).merge(around_oauth(oauth)).merge(around_pages(pages));
    let trusted = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
    around(router, Identify::new(trusted, 7))
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "mcp.test").extension(PeerAddress(PEER.parse().unwrap()))
}

async fn send(request: Request) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = app().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn empty(builder: http::request::Builder) -> Request {
    builder.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_hostile_or_missing_host_is_refused_with_a_json_rpc_error_without_id() {
    for hosts in [
        &["evil.test"][..],
        &["mcp.test.evil.test"],
        &["mcp.test:8080"],
        &["mcp.test", "mcp.test"],
        &["mcp.test@evil.test"],
        &[],
    ] {
        let mut builder = Request::builder().method("POST").uri("/mcp");
        for host in hosts {
            builder = builder.header("host", *host);
        }
        let (status, _, body) = send(empty(builder)).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, StatusCode::FORBIDDEN, "{hosts:?}");
        assert_eq!((&body["jsonrpc"], &body["error"]["code"]), (&"2.0".into(), &(-32600).into()));
        assert!(body.get("id").is_none());
    }
    let (status, ..) = send(empty(request("POST", "http://evil.test/mcp"))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, ..) = send(empty(Request::builder().method("POST").uri("/mcp").header("host", "MCP.test:443"))).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn an_origin_that_is_present_and_foreign_is_refused_and_a_missing_one_is_not() {
    for origin in
        ["https://evil.test", "null", "https://mcp.test.evil.test", "http://mcp.test", "https://mcp.test:8443"]
    {
        let (status, headers, _) = send(empty(request("POST", "/mcp").header("origin", origin))).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "T03: {origin}");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    let two = request("POST", "/mcp").header("origin", "https://mcp.test").header("origin", "https://evil.test");
    assert_eq!(send(empty(two)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(empty(request("POST", "/mcp"))).await.0, StatusCode::OK, "T08");
    let (status, headers, _) = send(empty(request("POST", "/mcp").header("origin", "http://localhost:6274"))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:6274");
    assert_eq!(headers[header::VARY], "Origin");
    assert!(headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("Mcp-Session-Id"));
}

#[tokio::test]
async fn host_is_ignored_elsewhere() {
    let foreign = Request::builder().method("POST").uri("/oauth/token").header("host", "evil.test");
    assert_eq!(send(empty(foreign)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_preflight_of_mcp_is_answered_without_authentication_and_names_the_headers() {
    let preflight = request("OPTIONS", "/mcp")
        .header("origin", "http://localhost:6274")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,mcp-param-repo,x-evil,mcp-param-\u{7f}");
    let preflight = preflight.body(Body::empty());
    assert!(preflight.is_err(), "a control character never gets into a header");
    let preflight = request("OPTIONS", "/mcp")
        .header("origin", "http://localhost:6274")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,mcp-param-repo,x-evil");
    let (status, headers, _) = send(empty(preflight)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let allowed = headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    for name in [
        "Authorization",
        "MCP-Protocol-Version",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "Mcp-Method",
        "Mcp-Name",
        "mcp-param-repo",
    ] {
        assert!(allowed.contains(name), "{name} is missing in {allowed}");
    }
    assert!(!allowed.contains("x-evil"));
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, POST, DELETE, OPTIONS");
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
}

#[tokio::test]
async fn oauth_endpoints_allow_any_origin_and_pages_none() {
    let (status, headers, _) =
        send(empty(request("OPTIONS", "/oauth/token").header("origin", "https://any.test"))).await;
    assert_eq!(
        (status, &headers[header::ACCESS_CONTROL_ALLOW_ORIGIN]),
        (StatusCode::NO_CONTENT, &"*".parse().unwrap())
    );
    let (_, headers, _) = send(empty(request("POST", "/oauth/token").header("origin", "https://any.test"))).await;
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    for method in ["POST", "OPTIONS"] {
        let (_, headers, _) =
            send(empty(request(method, "/oauth/authorize").header("origin", "https://any.test"))).await;
        assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{method}: {headers:?}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413_whether_announced_or_not() {
    let announced = request("POST", "/mcp").header("content-length", "11").body(Body::from("12345678901")).unwrap();
    let chunks =
        stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"123456")), Ok(Bytes::from_static(b"78901"))]);
    let unannounced = request("POST", "/mcp").body(Body::from_stream(chunks)).unwrap();
    for request in [announced, unannounced] {
        let (status, _, body) = send(request).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["code"], -32600);
    }
    let (status, _, body) = send(request("POST", "/mcp").body(Body::from("1234567890")).unwrap()).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "read 10"));
    let form = request("POST", "/oauth/token").header("content-length", (MAX_FORM_BYTES + 1).to_string());
    let (status, _, body) = send(empty(form)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["error"], "invalid_request");
    let page = request("POST", "/oauth/authorize").header("content-length", (MAX_FORM_BYTES + 1).to_string());
    let (status, headers, _) = send(empty(page)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_apart_from_one_that_is_too_long() {
    let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
    let (status, ..) = send(request("POST", "/mcp").body(Body::from_stream(broken)).unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_and_a_handler_that_never_answers_have_deadlines() {
    let endless =
        request("POST", "/mcp").body(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())).unwrap();
    assert_eq!(send(endless).await.0, StatusCode::REQUEST_TIMEOUT);
    let (status, headers, body) = send(empty(request("GET", "/oauth/slow"))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key(header::RETRY_AFTER) && body.contains("temporarily_unavailable"));
}

#[tokio::test]
async fn a_panic_is_a_500_that_shows_nothing_of_the_insides() {
    let (status, headers, body) = send(empty(request("GET", "/oauth/authorize"))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.contains("insides"));
    assert!(body.contains(headers["x-request-id"].to_str().unwrap()), "the page names the request id");
}

#[tokio::test]
async fn every_answer_has_the_protective_headers() {
    for request in [
        request("POST", "/mcp"),
        request("POST", "/oauth/token"),
        request("GET", "/nowhere"),
        request("GET", "/who"),
        // Its handler panics.
        request("GET", "/oauth/authorize"),
    ] {
        let (_, headers, _) = send(empty(request)).await;
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY) && headers.contains_key("x-request-id"));
        assert!(!headers.contains_key("cross-origin-opener-policy"));
    }
}

#[tokio::test]
async fn a_request_id_counts_only_from_a_trusted_proxy_and_well_formed() {
    let given = |id: &'static str, peer: &str| {
        let peer: SocketAddr = peer.parse().unwrap();
        empty(Request::builder().uri("/who").header("x-request-id", id).extension(PeerAddress(peer)))
    };
    assert_eq!(send(given("abcdefgh-1", PEER)).await.1["x-request-id"], "abcdefgh-1");
    for (id, peer) in [
        ("abcdefgh-1", "203.0.113.1:1"),
        ("short", PEER),
        ("has blanks inside", PEER),
        ("<script>alert(1)</script>", PEER),
    ] {
        assert_ne!(send(given(id, peer)).await.1["x-request-id"], id);
    }
    let (_, headers, body) = send(empty(request("GET", "/who").header("x-forwarded-for", "198.51.100.7"))).await;
    assert_eq!(body, format!("198.51.100.7 {}", headers["x-request-id"].to_str().unwrap()));
}

async fn logged(request: Request) -> Vec<Value> {
    let captured = Captured::start();
    drop(send(request).await);
    captured.json().into_iter().filter(|line| line["message"] == "request").collect()
}

#[tokio::test]
async fn a_request_is_logged_once_with_its_route_and_without_query_headers_and_body() {
    let request = request("POST", "/oauth/token?code=hunter2").header("authorization", "Bearer hunter2");
    let lines = logged(request.body(Body::from("password=hunter2")).unwrap()).await;
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["http.method"], Method::POST.as_str());
    assert_eq!(line["http.route"], "/oauth/token");
    assert_eq!(line["http.status"], 200);
    assert_eq!(line["client.ip"], "10.0.0.1");
    assert_eq!(line["response.bytes"], 5);
    assert_eq!(line["response.complete"], true);
    assert!(line["duration_ms"].is_u64() && line["request.id"].as_str().unwrap().len() == 16);
    assert!(!line.to_string().contains("hunter2"));
}

#[tokio::test]
async fn refusals_unknown_paths_and_panics_are_logged_too() {
    for (request, route, status) in [
        (Request::builder().method("POST").uri("/mcp"), "/mcp", 403),
        (request("GET", "/wp-login.php"), "unmatched", 404),
        (request("GET", "/oauth/authorize"), "/oauth/authorize", 500),
    ] {
        let lines = logged(empty(request)).await;
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["http.route"], &lines[0]["http.status"]), (&route.into(), &status.into()));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_read_to_its_end_is_logged_as_incomplete() {
    let captured = Captured::start();
    let response = app().oneshot(empty(request("GET", "/who"))).await.unwrap();
    assert!(captured.json().is_empty(), "logged before its end");
    drop(response);
    assert_eq!(captured.json()[0]["response.complete"], false);
}

#[tokio::test]
async fn a_request_whose_client_left_before_the_answer_is_logged_without_a_status() {
    let captured = Captured::start();
    let mut waiting = Box::pin(app().oneshot(empty(request("GET", "/oauth/slow"))));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(waiting);
    let line = &captured.json()[0];
    assert_eq!((&line["http.status"], &line["response.complete"]), (&Value::Null, &false.into()));
}
