//! §7.2: login, authorization, consent.

use forgejo_sim::{NewApp, Profile, SimConfig, UserState};
use reqwest::StatusCode;

use crate::{
    browser::{Browser, client, form},
    world::{ALL, CALLBACK, World, claims},
};

#[tokio::test]
async fn s7_2_a_stranger_is_sent_to_the_login_page_and_back() {
    for (profile, cookie) in [(Profile::V11, "i_like_gitea"), (Profile::V15, "session"), (Profile::Main, "session")] {
        let world = World::start(profile).await;
        let browser = Browser::default();
        let wanted = world.authorize_url(&world.app, "read:user", &[]);
        let page = browser.get(&wanted).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/user/login"));
        assert!(browser.cookie("redirect_to").is_some() && browser.cookie(cookie).is_some());
        let page = browser.get(&world.url("user/login")).await;
        for part in ["<title>", "name=\"user_name\"", "name=\"password\"", "type=\"submit\""] {
            assert!(page.body.contains(part), "{part}");
        }
        let mut fields = page.fields();
        fields.extend(form(&[("user_name", "alice"), ("password", "wrong")]));
        let page = browser.post(&world.url("user/login"), &fields).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Username or password is incorrect."));
        fields.last_mut().unwrap().1 = "alice-password".to_owned();
        let before = browser.cookie(cookie);
        let page = browser.post(&world.url("user/login"), &fields).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert_eq!(format!("{}{}", world.sim.url(), page.location()), wanted);
        assert!(browser.cookie("redirect_to").is_none());
        assert_ne!(browser.cookie(cookie), before);
    }
}

#[tokio::test]
async fn s7_2_a_login_never_redirects_to_another_host() {
    let world = World::start(Profile::V11).await;
    for target in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let request = client().post(world.url("user/login")).header("cookie", format!("redirect_to={target}"));
        let response = request.form(&[("user_name", "alice"), ("password", "alice-password")]).send().await.unwrap();
        assert_eq!(response.headers()["location"], "/");
    }
}

#[tokio::test]
async fn s7_2_a_wrong_client_or_redirect_uri_is_a_page_and_never_a_redirect() {
    for profile in ALL {
        let world = World::start(profile).await;
        let browser = world.log_in("alice").await;
        for (more, text) in [
            (("client_id", "8d8e3f4e-0000-4000-8000-000000000000"), "Client ID not registered"),
            (("redirect_uri", "https://evil.example/"), "Unregistered Redirect URI"),
            (("redirect_uri", "http://127.0.0.1:8081/oauth/callback"), "Unregistered Redirect URI"),
        ] {
            let page = browser.get(&world.authorize_url(&world.app, "", &[more])).await;
            assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, ""));
            assert!(page.header("content-type").starts_with("text/html") && page.body.contains(text));
        }
    }
}

#[tokio::test]
async fn s7_2_other_errors_are_redirects_with_error_description_and_state() {
    let world = World::start(Profile::V15).await;
    let public = world.sim.create_app(NewApp::new("public", "http://127.0.0.1/cb").public());
    let browser = world.log_in("alice").await;
    for (app, more, error, text) in [
        (
            &world.app,
            vec![("response_type", "token")],
            "unsupported_response_type",
            "Only code response type is supported.",
        ),
        (&world.app, vec![("code_challenge_method", "S512")], "invalid_request", "unsupported code challenge method"),
        (
            &public,
            vec![("code_challenge_method", ""), ("code_challenge", "")],
            "invalid_request",
            "PKCE is required for public clients",
        ),
    ] {
        let page = browser.get(&world.authorize_url(app, "", &more)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert_eq!(page.redirect_param("error").as_deref(), Some(error));
        assert_eq!(page.redirect_param("error_description").as_deref(), Some(text));
        assert_eq!(page.redirect_param("state").as_deref(), Some("a state&more"));
    }
}

#[tokio::test]
async fn s7_2_the_consent_page_grants_or_denies() {
    for profile in ALL {
        let world = World::start(profile).await;
        let browser = world.log_in("alice").await;
        let page = browser.get(&world.authorize_url(&world.app, "openid read:user", &[("nonce", "n1")])).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Authorize <b>broker</b>"));
        let fields = page.fields();
        for name in ["client_id", "state", "scope", "nonce", "redirect_uri"] {
            assert!(fields.iter().any(|(known, _)| known == name), "{name}");
        }
        let denied = world.decide(&browser, &page, false).await;
        assert_eq!(denied.redirect_param("error").as_deref(), Some("access_denied"));
        assert_eq!(denied.redirect_param("error_description").as_deref(), Some("the request is denied"));
        let granted = world.decide(&browser, &page, true).await;
        assert!(granted.location().starts_with(CALLBACK));
        assert!(granted.redirect_param("code").unwrap().starts_with("gta_"));
        assert_eq!(granted.redirect_param("state").as_deref(), Some("a state&more"));
        assert_eq!(granted.redirect_param("iss"), None);
    }
}

#[tokio::test]
async fn s7_2_up_to_13_the_form_needs_csrf_and_later_a_foreign_origin_is_refused() {
    let world = World::start(Profile::V11).await;
    let browser = world.log_in("alice").await;
    let page = browser.get(&world.authorize_url(&world.app, "", &[])).await;
    let mut fields = page.fields();
    fields.retain(|(name, _)| name != "_csrf");
    fields.push(("granted".to_owned(), "true".to_owned()));
    let refused = browser.post(&world.url("login/oauth/grant"), &fields).await;
    assert_eq!((refused.status, refused.location()), (StatusCode::BAD_REQUEST, ""));

    let world = World::start(Profile::V15).await;
    let browser = world.log_in("alice").await;
    let page = browser.get(&world.authorize_url(&world.app, "", &[])).await;
    let mut fields = page.fields();
    assert!(fields.iter().all(|(name, _)| name != "_csrf"));
    fields.push(("granted".to_owned(), "true".to_owned()));
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        let request = client().post(world.url("login/oauth/grant")).header(name, value).form(&fields);
        assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN);
    }
    let request = client().post(world.url("login/oauth/grant")).header("origin", world.sim.url()).form(&fields);
    assert_eq!(browser.send(request).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn s7_2_one_request_is_kept_per_login_session() {
    let world = World::start(Profile::V11).await;
    let browser = world.log_in("alice").await;
    let first = browser.get(&world.authorize_url(&world.app, "", &[("state", "one")])).await;
    let second = browser.get(&world.authorize_url(&world.app, "", &[("state", "two")])).await;
    assert_eq!(world.decide(&browser, &first, true).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.decide(&browser, &second, true).await.redirect_param("state").as_deref(), Some("two"));
}

#[tokio::test]
async fn s7_2_a_confidential_app_with_a_grant_is_approved_at_once_with_the_old_scope() {
    for profile in ALL {
        let world = World::start(profile).await;
        world.tokens("alice", "read:user").await;
        let browser = world.log_in("alice").await;
        let asks = [("prompt", "consent"), ("login_hint", "bob"), ("max_age", "0")];
        let page = browser.get(&world.authorize_url(&world.app, "write:repository", &asks)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert!(page.redirect_param("code").is_some());
        let scope = world.sim.grant("alice", &world.app.client_id).unwrap().scope;
        assert_eq!(scope, if profile == Profile::Gitea { "write:repository" } else { "read:user" });
    }
}

#[tokio::test]
async fn s7_2_a_public_app_asks_every_time_and_refuses_another_scope() {
    let world = World::start(Profile::V15).await;
    let app = world.sim.create_app(NewApp::new("public", "http://127.0.0.1/cb").public());
    let browser = world.log_in("alice").await;
    let port = [("redirect_uri", "http://127.0.0.1:49152/cb")];
    world.code_for(&browser, &app, "read:user read:issue", &port).await;
    let page = browser.get(&world.authorize_url(&app, "read:user read:issue", &port)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(world.decide(&browser, &page, true).await.redirect_param("code").is_some());
    // The text is compared, not the set.
    let page = browser.get(&world.authorize_url(&app, "read:issue read:user", &port)).await;
    let refused = world.decide(&browser, &page, true).await;
    assert_eq!(refused.redirect_param("error").as_deref(), Some("server_error"));
    assert_eq!(refused.redirect_param("error_description").as_deref(), Some("a grant exists with different scope"));
}

#[tokio::test]
async fn s7_2_a_code_is_single_use_and_a_failed_exchange_does_not_burn_it() {
    let world = World::start(Profile::V11).await;
    let code = world.code("alice", "read:user").await;
    world.sim.advance(std::time::Duration::from_hours(24 * 30));
    for (at, value) in [(3, "gto_wrong"), (5, "wrong"), (4, "http://127.0.0.1:8080/other")] {
        let mut form = world.exchange_form(&code);
        form[at].1 = value.to_owned();
        assert_eq!(world.refused(&form).await.0, "unauthorized_client");
    }
    assert_eq!(world.token(&world.exchange_form(&code)).await.0, StatusCode::OK);
    let (error, text) = world.refused(&world.exchange_form(&code)).await;
    assert_eq!((error.as_str(), text.as_str()), ("unauthorized_client", "client is not authorized"));
}

#[tokio::test]
async fn s7_2_gitea_codes_expire() {
    let world = World::start(Profile::Gitea).await;
    let code = world.code("alice", "read:user").await;
    world.sim.advance(std::time::Duration::from_mins(10));
    let (error, text) = world.refused(&world.exchange_form(&code)).await;
    assert_eq!((error.as_str(), text.as_str()), ("invalid_grant", "authorization code expired"));
}

#[tokio::test]
async fn s7_2_s256_and_plain_are_checked_unless_the_server_is_old() {
    let old = World::with(SimConfig { check_s256: false, ..SimConfig::default() }).await;
    let code = old.code("alice", "read:user").await;
    let mut form = old.exchange_form(&code);
    form[5].1 = "wrong".to_owned();
    assert_eq!(old.token(&form).await.0, StatusCode::OK);

    let world = World::start(Profile::V11).await;
    let browser = world.log_in("alice").await;
    let plain = [("code_challenge_method", "plain"), ("code_challenge", "plain-challenge")];
    let code = world.code_for(&browser, &world.app, "", &plain).await;
    assert_eq!(world.refused(&world.exchange_form(&code)).await.1, "failed PKCE code challenge");
    let mut form = world.exchange_form(&code);
    form[5].1 = "plain-challenge".to_owned();
    assert_eq!(world.token(&form).await.0, StatusCode::OK);
}

#[tokio::test]
async fn s7_2_a_parallel_login_changes_the_nonce() {
    let world = World::start(Profile::V15).await;
    let browser = world.log_in("alice").await;
    let first = world.code_for(&browser, &world.app, "openid", &[("nonce", "first")]).await;
    world.code_for(&browser, &world.app, "openid", &[("nonce", "second")]).await;
    let (_, body) = world.token(&world.exchange_form(&first)).await;
    assert_eq!(claims(body["id_token"].as_str().unwrap())["nonce"], "second");
}

#[tokio::test]
async fn s7_2_a_held_back_user_gets_no_further_than_his_page() {
    let world = World::start(Profile::V15).await;
    let browser = world.log_in("alice").await;
    let url = world.authorize_url(&world.app, "", &[]);
    for (state, location) in [
        (UserState::MustChangePassword, world.url("user/settings/change_password")),
        (UserState::TwoFactorMissing, world.url("user/settings/security")),
        (UserState::Prohibited, String::new()),
    ] {
        world.sim.set_user_state("alice", state);
        let page = browser.get(&url).await;
        assert_eq!(page.location(), location);
    }
    world.sim.set_user_state("alice", UserState::MustChangePassword);
    let page = browser.get(&world.url("user/settings/change_password")).await;
    let mut fields = page.fields();
    fields.extend(form(&[("password", "new"), ("retype", "new")]));
    assert_eq!(browser.post(&world.url("user/settings/change_password"), &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get(&url).await.status, StatusCode::OK);
}
