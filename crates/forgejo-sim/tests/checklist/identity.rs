//! §7.4: userinfo and introspection.

use forgejo_sim::{NewApp, NewUser, Profile, UserState};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Page, client},
    world::{ALL, CALLBACK, World},
};

async fn userinfo(world: &World, token: &str) -> Page {
    let request = client().get(world.url("login/oauth/userinfo")).bearer_auth(token);
    Browser::default().send(request).await
}

#[tokio::test]
async fn s7_4_userinfo_tells_everything_whatever_the_scope() {
    for profile in ALL {
        let world = World::start(profile).await;
        world.sim.create_org("acme", "alice").unwrap();
        let tokens = world.tokens("alice", "read:issue").await;
        let body: Value = serde_json::from_str(&userinfo(&world, &tokens.access).await.body).unwrap();
        let expected = json!({
            "sub": "1", "name": "Alice Example", "preferred_username": "alice", "email": "alice@example.org",
            "picture": body["picture"], "groups": ["acme", "acme:Owners"],
        });
        assert_eq!(body, expected);
        let bobs = world.tokens("bob", "read:issue").await;
        let body: Value = serde_json::from_str(&userinfo(&world, &bobs.access).await.body).unwrap();
        assert_eq!(body.get("groups").is_some(), profile == Profile::Gitea);
    }
}

#[tokio::test]
async fn s7_4_a_bad_token_is_a_401_in_plain_text() {
    for (profile, challenge) in [
        (Profile::V11, ""),
        (Profile::V15, "Bearer realm=\"\""),
        (Profile::Main, "Bearer realm=\"\""),
        (Profile::Gitea, "Bearer realm=\"Gitea OAuth2\""),
    ] {
        let world = World::start(profile).await;
        let page = userinfo(&world, "a.b.c").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert!(page.header("content-type").starts_with("text/plain"));
        assert_eq!(page.header("www-authenticate"), challenge);
        assert_eq!(page.body.starts_with("Credentials are incorrect or have expired"), profile == Profile::V11);
    }
}

#[tokio::test]
async fn s7_4_a_held_back_user_gets_html_or_a_redirect_except_on_main() {
    for profile in ALL {
        let world = World::start(profile).await;
        let tokens = world.tokens("alice", "read:user").await;
        for state in [UserState::Deactivated, UserState::Prohibited] {
            world.sim.set_user_state("alice", state);
            let page = userinfo(&world, &tokens.access).await;
            assert_eq!(page.status, StatusCode::OK);
            assert_eq!(page.header("content-type").starts_with("text/html"), profile != Profile::Main);
        }
        world.sim.set_user_state("alice", UserState::MustChangePassword);
        let page = userinfo(&world, &tokens.access).await;
        assert_eq!(page.status == StatusCode::SEE_OTHER, profile != Profile::Main);
        world.sim.set_user_state("alice", UserState::TwoFactorMissing);
        let page = userinfo(&world, &tokens.access).await;
        assert_eq!(page.status == StatusCode::SEE_OTHER, profile == Profile::V15);
    }
}

#[tokio::test]
async fn s7_4_a_refresh_of_a_deactivated_user_succeeds_and_the_api_is_403() {
    for (profile, text) in [
        (Profile::V11, "This account is prohibited from signing in, please contact your site administrator."),
        (Profile::V15, "This account is not activated."),
    ] {
        let world = World::start(profile).await;
        let tokens = world.tokens("alice", "read:user").await;
        world.sim.set_user_state("alice", UserState::Deactivated);
        let tokens = world.refresh(&tokens.refresh).await;
        let (status, body) = world.get("user", &tokens.access).await;
        assert_eq!((status, body["message"].as_str()), (StatusCode::FORBIDDEN, Some(text)));
        world.sim.set_user_state("alice", UserState::MustChangePassword);
        let (status, body) = world.get("version", &tokens.access).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let message = body["message"].as_str().unwrap();
        assert!(message.starts_with("You must change your password. Change it at: http"), "{message}");
    }
}

#[tokio::test]
async fn s7_4_a_renamed_user_keeps_his_sub() {
    let world = World::start(Profile::V15).await;
    world.sim.create_user(NewUser::new("carol", "carol-password").id(4711));
    let tokens = world.tokens("carol", "read:user").await;
    assert!(world.sim.rename_user("carol", "caroline"));
    let body: Value = serde_json::from_str(&userinfo(&world, &tokens.access).await.body).unwrap();
    assert_eq!((&body["sub"], &body["preferred_username"]), (&json!("4711"), &json!("caroline")));
}

#[tokio::test]
async fn s7_4_introspection_needs_a_secret_and_knows_any_apps_tokens() {
    let world = World::start(Profile::V11).await;
    let tokens = world.tokens("alice", "openid read:user").await;
    let other = world.sim.create_app(NewApp::new("other", CALLBACK));
    let url = world.url("login/oauth/introspect");
    for secret in [None, Some("gto_wrong"), Some("")] {
        let request = client().post(&url).form(&[("token", &tokens.access)]);
        let request =
            if let Some(secret) = secret { request.basic_auth(&other.client_id, Some(secret)) } else { request };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"\"");
    }
    let ask = async |token: &str| -> Value {
        let request = client().post(&url).basic_auth(&other.client_id, Some(&other.client_secret));
        request.form(&[("token", token)]).send().await.unwrap().json().await.unwrap()
    };
    for token in [&tokens.access, &tokens.refresh] {
        let expected = json!({
            "active": true, "scope": "openid read:user", "username": "alice", "iss": format!("{}/", world.sim.url()),
            "sub": "1", "aud": [world.app.client_id],
        });
        assert_eq!(ask(token).await, expected);
    }
    assert_eq!(ask("garbage").await, json!({"active": false}));
    world.sim.revoke_grant("alice", &world.app.client_id);
    assert_eq!(ask(&tokens.access).await, json!({"active": false}));
}
