//! §7.1: one grant row, one counter.

use std::time::Duration;

use forgejo_sim::{NewApp, Profile, SimConfig};
use reqwest::StatusCode;

use crate::world::{CALLBACK, World, claims, pair};

#[tokio::test]
async fn s7_1_an_application_has_a_uuid_and_a_gto_secret() {
    let world = World::start(Profile::V11).await;
    assert!(uuid::Uuid::parse_str(&world.app.client_id).is_ok());
    let tail = world.app.client_secret.strip_prefix("gto_").unwrap();
    assert!(tail.len() == 52 && tail.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')));
}

#[tokio::test]
async fn s7_1_a_second_login_reuses_the_row_and_kills_the_first_refresh_token() {
    for profile in [Profile::V11, Profile::V15, Profile::Main] {
        let world = World::start(profile).await;
        let first = world.tokens("alice", "write:issue").await;
        let grant = world.sim.grant("alice", &world.app.client_id).unwrap();
        let second = world.tokens("alice", "write:issue").await;
        assert_eq!(world.sim.grant("alice", &world.app.client_id).unwrap().id, grant.id);
        assert_eq!(
            world.refused(&world.refresh_form(&first.refresh)).await,
            pair("unauthorized_client", "token was already used")
        );
        assert_eq!(world.get("repos/alice/hello/issues", &first.access).await.0, StatusCode::OK);
        world.refresh(&second.refresh).await;
    }
}

#[tokio::test]
async fn s7_1_gitea_and_a_server_that_does_not_invalidate_keep_both() {
    let old = SimConfig { invalidate_refresh_tokens: Some(false), ..SimConfig::default() };
    for config in [old, SimConfig { profile: Profile::Gitea, ..SimConfig::default() }] {
        let world = World::with(config).await;
        let first = world.tokens("alice", "write:issue").await;
        let second = world.tokens("alice", "write:issue").await;
        world.refresh(&first.refresh).await;
        world.refresh(&first.refresh).await;
        world.refresh(&second.refresh).await;
    }
}

#[tokio::test]
async fn s7_1_reuse_of_a_rotated_token_harms_nothing_and_access_tokens_outlive_rotation() {
    let world = World::start(Profile::V11).await;
    let first = world.tokens("alice", "read:user").await;
    let second = world.refresh(&first.refresh).await;
    assert_eq!(claims(&first.refresh)["cnt"], 1);
    assert_eq!(claims(&second.refresh)["cnt"], 2);
    for _ in 0..3 {
        assert_eq!(
            world.refused(&world.refresh_form(&first.refresh)).await,
            pair("unauthorized_client", "token was already used")
        );
    }
    world.refresh(&second.refresh).await;
    assert_eq!(world.get("user", &first.access).await.0, StatusCode::OK);
    world.sim.advance(Duration::from_hours(1));
    assert_eq!(world.get("user", &first.access).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn s7_1_revocation_and_deletion_end_everything_at_once() {
    let world = World::start(Profile::V15).await;
    let tokens = world.tokens("alice", "read:user").await;
    assert!(world.sim.revoke_grant("alice", &world.app.client_id));
    assert_eq!(world.get("user", &tokens.access).await.0, StatusCode::UNAUTHORIZED);
    let gone = pair("invalid_grant", "grant does not exist");
    assert_eq!(world.refused(&world.refresh_form(&tokens.refresh)).await, gone);

    let again = world.tokens("alice", "read:user").await;
    assert_ne!(claims(&again.access)["gnt"], claims(&tokens.access)["gnt"]);
    assert!(world.sim.delete_user("alice"));
    assert_eq!(world.get("user", &again.access).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.refused(&world.refresh_form(&again.refresh)).await, gone);

    let bobs = world.tokens("bob", "read:user").await;
    assert!(world.sim.delete_app(&world.app.client_id));
    assert_eq!(world.get("user", &bobs.access).await.0, StatusCode::UNAUTHORIZED);
    let (error, text) = world.refused(&world.refresh_form(&bobs.refresh)).await;
    assert_eq!(error, "invalid_client");
    assert!(text.starts_with("cannot load client with client id: "), "{text}");
}

#[tokio::test]
async fn s7_1_a_revoked_users_page_shows_and_takes_the_grant() {
    for profile in [Profile::V11, Profile::V15] {
        let world = World::start(profile).await;
        let tokens = world.tokens("alice", "read:user").await;
        let browser = world.log_in("alice").await;
        let page = browser.get(&world.url("user/settings/applications")).await;
        assert!(page.body.contains("broker") && page.body.contains("read:user"));
        let action = page.body.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
        let done = browser.post(&format!("{}{action}", world.sim.url()), &page.fields()).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        assert_eq!(world.get("user", &tokens.access).await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn s7_1_of_parallel_refreshes_exactly_one_wins() {
    let loser = [
        (Profile::V11, pair("unauthorized_client", "token was already used")),
        (Profile::V15, pair("invalid_grant", "cannot increase the grant counter")),
        (Profile::Main, pair("invalid_grant", "cannot increase the grant counter")),
    ];
    for (profile, expected) in loser {
        let world = World::start(profile).await;
        let tokens = world.tokens("alice", "read:user").await;
        world.sim.race_refreshes(8);
        let form = world.refresh_form(&tokens.refresh);
        let all = futures_join((0..8).map(|_| world.token(&form))).await;
        let (won, lost): (Vec<_>, Vec<_>) = all.into_iter().partition(|(status, _)| *status == StatusCode::OK);
        assert_eq!((won.len(), lost.len()), (1, 7));
        for (_, body) in lost {
            assert_eq!(
                (body["error"].as_str(), body["error_description"].as_str()),
                (Some(&*expected.0), Some(&*expected.1))
            );
        }
        world.refresh(won[0].1["refresh_token"].as_str().unwrap()).await;
    }
}

#[tokio::test]
async fn s7_1_of_parallel_code_exchanges_exactly_one_wins() {
    let loser = [
        (Profile::V11, "unauthorized_client", "client is not authorized"),
        (Profile::V15, "invalid_request", "cannot proceed your request"),
    ];
    for (profile, error, text) in loser {
        let world = World::start(profile).await;
        let code = world.code("alice", "read:user").await;
        world.sim.race_code_exchanges(6);
        let form = world.exchange_form(&code);
        let all = futures_join((0..6).map(|_| world.token(&form))).await;
        let lost: Vec<_> = all.iter().filter(|(status, _)| *status != StatusCode::OK).collect();
        assert_eq!(lost.len(), 5);
        assert!(lost.iter().all(|(_, body)| body["error"] == error && body["error_description"] == text));
    }
}

#[tokio::test]
async fn s7_1_there_is_no_revocation_endpoint_and_another_app_can_not_use_the_token() {
    let world = World::start(Profile::V11).await;
    let browser = world.log_in("alice").await;
    assert_eq!(browser.post(&world.url("login/oauth/revoke"), &[]).await.status, StatusCode::NOT_FOUND);
    let tokens = world.tokens("alice", "read:user").await;
    let other = world.sim.create_app(NewApp::new("other", CALLBACK));
    let mut form = world.refresh_form(&tokens.refresh);
    form[2].1.clone_from(&other.client_id);
    form[3].1.clone_from(&other.client_secret);
    assert_eq!(world.refused(&form).await, pair("invalid_grant", "refresh token was not issued to this client"));
}

/// Drives all at once.
async fn futures_join<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(all).await
}
