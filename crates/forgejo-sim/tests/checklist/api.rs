//! §7.5: credentials, scopes, pages and errors of the API.

use std::time::Duration;

use forgejo_sim::{Profile, Sink};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::client,
    world::{ALL, World},
};

#[tokio::test]
async fn s7_5_version_is_open_but_a_bad_token_is_refused_everywhere() {
    for profile in ALL {
        let world = World::start(profile).await;
        let (status, body) = world.get("version", "").await;
        assert_eq!((status, &body["version"]), (StatusCode::OK, &json!(profile.version())));
        assert_eq!(world.get("user", "").await.0, StatusCode::UNAUTHORIZED);
        for path in ["version", "user", "repos/alice/hello", "settings/api"] {
            let (status, body) = world.get(path, "0123456789abcdef").await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(body["message"], "access token does not exist [sha: 0123456789abcdef]");
            assert_eq!(body["url"], world.url("api/swagger"));
        }
    }
}

#[tokio::test]
async fn s7_5_main_echoes_an_expired_token_and_others_do_not() {
    for profile in ALL {
        let world = World::start(profile).await;
        let tokens = world.tokens("alice", "read:user").await;
        world.sim.advance(Duration::from_hours(1));
        let (status, body) = world.get("user", &tokens.access).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let message = body["message"].as_str().unwrap();
        if profile == Profile::Main {
            assert!(message.contains(&tokens.access) && message.contains("token was expired"));
        } else {
            assert_eq!(message, "user does not exist [uid: 0, name: ]");
        }
    }
}

#[tokio::test]
async fn s7_5_schemes_of_the_authorization_header() {
    for (profile, upper_case_token) in [(Profile::V11, false), (Profile::V15, true)] {
        let world = World::start(profile).await;
        let token = world.tokens("alice", "read:user").await.access;
        for (scheme, works) in [("Bearer", true), ("bearer", true), ("token", true), ("Token", upper_case_token)] {
            let request = client().get(world.url("api/v1/user")).header("authorization", format!("{scheme} {token}"));
            let expected = if works { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(request.send().await.unwrap().status(), expected, "{scheme}");
        }
        for (name, password) in
            [("alice", "alice-password"), ("any", token.as_str()), (token.as_str(), "x-oauth-basic")]
        {
            let request = client().get(world.url("api/v1/user")).basic_auth(name, Some(password));
            assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        }
        let request = client().get(world.url("api/v1/user")).basic_auth("alice", Some("wrong"));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let refresh = world.tokens("alice", "read:user").await.refresh;
        assert_eq!(world.get("user", &refresh).await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn s7_5_a_missing_scope_is_named_and_write_implies_read() {
    let world = World::start(Profile::V11).await;
    let token = world.tokens("alice", "write:issue").await.access;
    for (method, path, scope) in [
        ("GET", "user", "read:user"),
        ("GET", "repos/alice/hello", "read:repository"),
        ("PATCH", "repos/alice/hello", "write:repository"),
        ("GET", "notifications", "read:notification"),
        ("GET", "orgs", "read:organization"),
        ("GET", "admin/users", "read:admin"),
    ] {
        let (status, body) = world.api(method, path, &token, Some(json!({}))).await;
        let expected = format!("token does not have at least one of required scope(s): [{scope}]");
        assert_eq!((status, body["message"].as_str()), (StatusCode::FORBIDDEN, Some(expected.as_str())));
    }
    assert_eq!(world.get("repos/alice/hello/issues", &token).await.0, StatusCode::OK);
    let issue = Some(json!({"title": "t"}));
    assert_eq!(world.api("POST", "repos/alice/hello/issues", &token, issue).await.0, StatusCode::CREATED);
    let read = world.tokens("bob", "read:issue").await.access;
    let issue = Some(json!({"title": "t"}));
    let (status, body) = world.api("POST", "repos/alice/hello/issues", &read, issue).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body["message"].as_str().unwrap().ends_with("[write:issue]"));
}

#[tokio::test]
async fn s4_3_the_scope_is_the_grants_and_public_only_hides_private_repositories() {
    let world = World::start(Profile::V15).await;
    let narrow = world.tokens("alice", "read:repository public-only").await.access;
    assert_eq!(world.get("repos/alice/hello", &narrow).await.0, StatusCode::OK);
    assert_eq!(world.get("repos/alice/priv", &narrow).await.0, StatusCode::FORBIDDEN);
    world.sim.revoke_grant("alice", &world.app.client_id);
    let wide = world.tokens("alice", "read:repository").await.access;
    assert_eq!(world.get("repos/alice/priv", &wide).await.0, StatusCode::OK);
    let bob = world.tokens("bob", "read:repository").await.access;
    let (status, body) = world.get("repos/alice/priv", &bob).await;
    assert_eq!((status, body["message"].as_str()), (StatusCode::NOT_FOUND, Some("The target couldn't be found.")));
}

#[tokio::test]
async fn s7_5_pages_hold_30_items_and_50_at_most() {
    let world = World::start(Profile::V11).await;
    for number in 0..61 {
        world.sim.create_issue("alice", "hello", "bob", &format!("issue {number}"), "").unwrap();
    }
    for (query, expected) in
        [("", 30), ("?limit=50", 50), ("?limit=1000", 50), ("?limit=50&page=2", 11), ("?page=9", 0)]
    {
        let response =
            client().get(world.url(&format!("api/v1/repos/alice/hello/issues{query}"))).send().await.unwrap();
        assert_eq!(response.headers()["x-total-count"], "61");
        assert!(response.headers().contains_key("link"));
        assert_eq!(response.json::<Value>().await.unwrap().as_array().unwrap().len(), expected, "{query}");
    }
}

#[tokio::test]
async fn s7_5_there_is_no_rate_limit() {
    let world = World::start(Profile::V11).await;
    let http = client();
    for _ in 0..300 {
        let status = http.get(world.url("api/v1/version")).send().await.unwrap().status();
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn s7_5_oauth_applications_are_public_when_not_told_otherwise_and_patch_makes_a_new_secret() {
    let world = World::start(Profile::V11).await;
    let token = world.tokens("alice", "write:user").await.access;
    let new = json!({"name": "mine", "redirect_uris": ["https://a.example/cb"]});
    let (status, made) = world.api("POST", "user/applications/oauth2", &token, Some(new)).await;
    assert_eq!((status, &made["confidential_client"]), (StatusCode::CREATED, &json!(false)));
    let app = world.sim.app(made["client_id"].as_str().unwrap()).unwrap();
    assert_eq!(made["client_secret"], app.client_secret);
    let path = format!("user/applications/oauth2/{}", made["id"]);
    let change = json!({"name": "mine", "redirect_uris": ["https://a.example/cb"], "confidential_client": true});
    let (_, changed) = world.api("PATCH", &path, &token, Some(change)).await;
    assert_ne!(changed["client_secret"], made["client_secret"]);
    assert_eq!(world.get(&path, &token).await.1["client_secret"], "");
    let bob = world.tokens("bob", "write:user").await.access;
    assert_eq!(world.get(&path, &bob).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn s7_5_a_release_asset_may_point_to_another_host_which_records_what_it_is_sent() {
    let world = World::start(Profile::V11).await;
    let sink = Sink::start("127.0.0.2:0".parse().unwrap()).await.unwrap();
    let token = world.tokens("alice", "write:repository").await.access;
    let release = json!({"tag_name": "v1", "name": "One"});
    let (_, release) = world.api("POST", "repos/alice/hello/releases", &token, Some(release)).await;
    let assets = format!("repos/alice/hello/releases/{}/assets", release["id"]);
    let target = format!("{}/payload", sink.url());
    let url = world.url(&format!("api/v1/{assets}?name=payload"));
    let request = client().post(url).bearer_auth(&token).form(&[("external_url", &target)]);
    let made: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&made["size"], &made["browser_download_url"]), (&json!(0), &json!(target)));
    let (_, asset) = world.get(&format!("{assets}/{}", made["id"]), &token).await;
    // What forgejo-mcp does: the token goes wherever the asset points.
    let leak =
        client().get(asset["browser_download_url"].as_str().unwrap()).header("authorization", format!("token {token}"));
    leak.send().await.unwrap();
    assert_eq!(sink.requests(), 1);
    assert_eq!(sink.credentials_seen(), [format!("token {token}")]);
    // By its own uuid the asset is a redirect.
    let by_uuid = client().get(world.url(&format!("attachments/{}", made["uuid"].as_str().unwrap())));
    let response = by_uuid.bearer_auth(&token).send().await.unwrap();
    assert_eq!((response.status(), &response.headers()["location"]), (StatusCode::SEE_OTHER, &target.parse().unwrap()));
}

#[tokio::test]
async fn s2_3_unknown_paths_and_methods_are_the_routers_answers() {
    let world = World::start(Profile::V11).await;
    let (status, body) = world.get("no/such/path", "").await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, Some("404 page not found\n")));
    assert_eq!(world.api("DELETE", "version", "", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let head = client().head(world.url("api/v1/version")).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.text().await.unwrap().is_empty());
}
