//! §7.3: the token endpoint, discovery, lives.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use forgejo_sim::{KeySize, NewApp, Profile, SimClock, SimConfig};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::client,
    world::{ALL, CALLBACK, World, claims, pair},
};

#[tokio::test]
async fn s7_3_form_json_and_basic_are_taken() {
    let world = World::start(Profile::V11).await;
    let url = world.url("login/oauth/access_token");
    let code = world.code("alice", "read:user").await;
    let body: serde_json::Map<_, _> =
        world.exchange_form(&code).into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    let response = client().post(&url).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let refresh = response.json::<Value>().await.unwrap()["refresh_token"].as_str().unwrap().to_owned();

    let only = [("grant_type", "refresh_token"), ("refresh_token", &refresh)];
    let request = client().post(&url).basic_auth(&world.app.client_id, Some(&world.app.client_secret));
    assert_eq!(request.form(&only).send().await.unwrap().status(), StatusCode::OK);

    let mixed = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("client_id", "other")];
    let request = client().post(&url).basic_auth(&world.app.client_id, Some(&world.app.client_secret));
    let body: Value = request.form(&mixed).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["error"], "invalid_request");
    let broken = client().post(&url).header("authorization", format!("Basic {}", STANDARD.encode("no colon")));
    let body: Value = broken.form(&only).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["error"], "invalid_request");
}

#[tokio::test]
async fn s7_3_a_public_client_needs_no_secret() {
    let mut world = World::start(Profile::V15).await;
    world.app = world.sim.create_app(NewApp::new("public", CALLBACK).public());
    let code = world.code("alice", "read:user").await;
    let mut form = world.exchange_form(&code);
    form.retain(|(name, _)| name != "client_secret");
    let (status, body) = world.token(&form).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let mut form = world.refresh_form(body["refresh_token"].as_str().unwrap());
    form.retain(|(name, _)| name != "client_secret");
    assert_eq!(world.token(&form).await.0, StatusCode::OK);
}

#[tokio::test]
async fn s4_6_every_refusal_is_a_400_with_its_own_text() {
    let world = World::start(Profile::V11).await;
    let tokens = world.tokens("alice", "read:user").await;
    let refresh_with = |name: &str, value: &str| {
        let mut form = world.refresh_form(&tokens.refresh);
        form.iter_mut().filter(|(known, _)| known == name).for_each(|(_, old)| value.clone_into(old));
        form
    };
    for (form, error, text) in [
        (
            refresh_with("grant_type", "password"),
            "unsupported_grant_type",
            "Only refresh_token or authorization_code grant type is supported",
        ),
        (refresh_with("client_secret", "gto_x"), "invalid_client", "invalid client secret"),
        (refresh_with("client_secret", ""), "invalid_client", "invalid empty client secret"),
        (refresh_with("client_id", "nobody"), "invalid_client", "cannot load client with client id: \"nobody\""),
        (refresh_with("refresh_token", "garbage"), "unauthorized_client", "unable to parse refresh token"),
        (refresh_with("refresh_token", &tokens.access), "unauthorized_client", "token was already used"),
    ] {
        assert_eq!(world.refused(&form).await, pair(error, text));
    }
    let code = world.code("alice", "read:user").await;
    let exchange_with = |name: &str, value: &str| {
        let mut form = world.exchange_form(&code);
        form.iter_mut().filter(|(known, _)| known == name).for_each(|(_, old)| value.clone_into(old));
        form
    };
    for (form, text) in [
        (exchange_with("client_secret", "gto_x"), "invalid client secret"),
        (exchange_with("client_secret", ""), "invalid empty client secret"),
        (exchange_with("redirect_uri", "https://evil.example/"), "unexpected redirect URI"),
        (exchange_with("redirect_uri", ""), "redirect_uri does not match the authorization request"),
        (exchange_with("code", "gta_unknown"), "client is not authorized"),
        (exchange_with("code_verifier", "wrong"), "failed PKCE code challenge"),
    ] {
        assert_eq!(world.refused(&form).await, pair("unauthorized_client", text));
    }
    let other = world.sim.create_app(NewApp::new("other", CALLBACK));
    let mut form = exchange_with("client_id", &other.client_id);
    form[3].1 = other.client_secret;
    assert_eq!(world.refused(&form).await, pair("invalid_grant", "invalid grant"));
}

#[tokio::test]
async fn s4_6_later_servers_know_an_access_token_from_a_refresh_token() {
    let world = World::start(Profile::V15).await;
    let tokens = world.tokens("alice", "read:user").await;
    let expected = pair("unauthorized_client", "token is not a refresh token");
    assert_eq!(world.refused(&world.refresh_form(&tokens.access)).await, expected);
}

#[tokio::test]
async fn s5_gitea_answers_some_cases_otherwise() {
    let world = World::start(Profile::Gitea).await;
    let code = world.code("alice", "read:user").await;
    let mut form = world.exchange_form(&code);
    form[4].1 = String::new();
    let expected = pair("invalid_grant", "redirect_uri differs from the original authorization request");
    assert_eq!(world.refused(&form).await, expected);
    world.token(&world.exchange_form(&code)).await;
    assert_eq!(world.refused(&world.exchange_form(&code)).await.0, "invalid_grant");
    let bearer = client().post(world.url("login/oauth/access_token")).bearer_auth("x");
    let body: Value = bearer.form(&world.exchange_form(&code)).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["error"], "invalid_request");
}

#[tokio::test]
async fn s7_3_the_answer_has_no_scope_and_an_id_token_only_with_openid() {
    let world = World::start(Profile::V11).await;
    let plain = world.tokens("alice", "read:user").await.body;
    let names: Vec<&String> = plain.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "refresh_token", "token_type"]);
    assert_eq!((&plain["token_type"], &plain["expires_in"]), (&json!("bearer"), &json!(3600)));
    let with_id = world.tokens("bob", "openid profile email read:user").await.body;
    let id = claims(with_id["id_token"].as_str().unwrap());
    assert_eq!((&id["sub"], &id["preferred_username"]), (&json!("2"), &json!("bob")));
    assert_eq!(id["aud"], json!([world.app.client_id]));
    assert_eq!(id["email_verified"], true);
}

#[tokio::test]
async fn s7_3_tokens_are_rs256_jwts_with_gnt_tt_cnt_exp_iat_and_nothing_else() {
    for (key_size, length) in [(KeySize::Rsa2048, 517), (KeySize::Rsa4096, 858)] {
        let clock = SimClock::standing_at(1_795_000_000_000);
        let world = World::with(SimConfig { key_size, clock, ..SimConfig::default() }).await;
        let tokens = world.tokens("alice", "openid").await;
        assert_eq!(claims(&tokens.access), json!({"gnt": 1, "tt": 0, "exp": 1_795_003_600, "iat": 1_795_000_000}));
        let refresh = json!({"gnt": 1, "tt": 1, "cnt": 1, "exp": 1_795_000_000 + 730 * 3600, "iat": 1_795_000_000});
        assert_eq!(claims(&tokens.refresh), refresh);
        assert_eq!(tokens.access.len(), length);

        let keys: Value = client().get(world.url("login/oauth/keys")).send().await.unwrap().json().await.unwrap();
        let key = &keys["keys"][0];
        let decoding =
            DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_audience(&[&world.app.client_id]);
        let id_token = tokens.body["id_token"].as_str().unwrap();
        let decoded = jsonwebtoken::decode::<Value>(id_token, &decoding, &validation).unwrap();
        assert_eq!(decoded.header.kid.as_deref(), key["kid"].as_str());
    }
}

#[tokio::test]
async fn s7_3_two_access_tokens_of_one_second_are_the_same_bytes() {
    let clock = SimClock::standing_at(1_795_000_000_000);
    let world = World::with(SimConfig { clock, ..SimConfig::default() }).await;
    let first = world.tokens("alice", "read:user").await;
    let second = world.refresh(&first.refresh).await;
    assert_eq!(first.access, second.access);
    assert_ne!(first.refresh, second.refresh);
    world.sim.advance(Duration::from_secs(1));
    assert_ne!(world.refresh(&second.refresh).await.access, first.access);
}

#[tokio::test]
async fn s7_3_a_refresh_token_lives_730_hours_and_slides() {
    let world = World::start(Profile::V15).await;
    let mut tokens = world.tokens("alice", "read:user").await;
    for _ in 0..3 {
        world.sim.advance(Duration::from_hours(729));
        tokens = world.refresh(&tokens.refresh).await;
    }
    world.sim.advance(Duration::from_hours(730));
    assert_eq!(
        world.refused(&world.refresh_form(&tokens.refresh)).await,
        pair("unauthorized_client", "unable to parse refresh token")
    );
}

#[tokio::test]
async fn s7_3_no_scope_or_unknown_scopes_open_everything() {
    for scope in ["", "openid", "read:repositry"] {
        let world = World::start(Profile::V11).await;
        let tokens = world.tokens("alice", scope).await;
        let (status, body) = world.api("POST", "user/repos", &tokens.access, Some(json!({"name": "made"}))).await;
        assert_eq!(status, StatusCode::CREATED, "{scope}: {body}");
    }
    let forgejo = World::start(Profile::V15).await;
    let tokens = forgejo.tokens("alice", "read:user nonsense").await;
    assert_eq!(forgejo.get("repos/alice/hello", &tokens.access).await.0, StatusCode::FORBIDDEN);
    let gitea = World::start(Profile::Gitea).await;
    let tokens = gitea.tokens("alice", "read:user nonsense").await;
    assert_eq!(gitea.get("repos/alice/hello", &tokens.access).await.0, StatusCode::OK);
}

#[tokio::test]
async fn s7_3_discovery_comes_from_the_root_url_and_never_from_host() {
    for profile in ALL {
        let root = "https://forge.example/git/";
        let world = World::with(SimConfig { profile, root_url: Some(root.to_owned()), ..SimConfig::default() }).await;
        let here = format!("http://{}/git", world.sim.address());
        let document = format!("{here}/.well-known/openid-configuration");
        let request = client().get(&document).header("host", "evil.example").header("x-forwarded-host", "evil.example");
        let body: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(!body.to_string().contains("evil"));
        let slash = if profile == Profile::V11 { "/" } else { "" };
        assert_eq!(body["issuer"], format!("https://forge.example/git{slash}"));
        assert_eq!(body["token_endpoint"], "https://forge.example/git/login/oauth/access_token");
        assert_eq!(body["code_challenge_methods_supported"], json!(["plain", "S256"]));
        let outside = format!("http://{}/.well-known/openid-configuration", world.sim.address());
        assert_eq!(client().get(outside).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn s7_3_no_rfc_8414_document_no_registration_no_cors() {
    let world = World::start(Profile::V11).await;
    for path in [".well-known/oauth-authorization-server", "login/oauth/register", "login/oauth/device"] {
        assert_eq!(client().get(world.url(path)).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["login/oauth/register", "login/oauth/revoke"] {
        assert_eq!(client().post(world.url(path)).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
    let posted = client().post(world.url(".well-known/oauth-authorization-server")).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    for path in ["login/oauth/access_token", "api/v1/user", "login/oauth/authorize"] {
        let request = client().request(reqwest::Method::OPTIONS, world.url(path)).header("origin", "https://a.example");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}
