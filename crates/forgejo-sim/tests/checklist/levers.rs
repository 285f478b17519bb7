//! §7.6: the clock, faults, the log, secrets.

use std::time::Duration;

use forgejo_sim::{Fault, FaultRule, Profile, SecretKind, SimClock, SimConfig};
use reqwest::StatusCode;

use crate::{
    browser::client,
    world::{World, pair},
};

#[tokio::test]
async fn s7_6_the_clock_is_in_the_tests_hands() {
    let clock = SimClock::standing_at(1_795_000_000_000);
    let world = World::with(SimConfig { clock: clock.clone(), ..SimConfig::default() }).await;
    let tokens = world.tokens("alice", "read:user").await;
    clock.advance(Duration::from_secs(3599));
    assert_eq!(world.get("user", &tokens.access).await.0, StatusCode::OK);
    world.sim.advance(Duration::from_secs(1));
    assert_eq!(world.get("user", &tokens.access).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn s7_6_a_hanging_server_accepts_and_never_answers() {
    let world = World::start(Profile::V11).await;
    world.sim.add_fault(FaultRule::on("/api/v1/version", Fault::Hang));
    let request = tokio::spawn(client().get(world.url("api/v1/version")).send());
    while world.sim.requests_to("/api/v1/version").is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!request.is_finished());
    assert_eq!(world.sim.requests_to("/api/v1/version")[0].status, None);
    assert_eq!(world.get("settings/api", "").await.0, StatusCode::OK);
    world.sim.stop().await;
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn s7_6_errors_resets_and_slowness_come_as_often_as_ordered() {
    let world = World::start(Profile::V11).await;
    world.sim.add_fault(FaultRule::on("/api/", Fault::Status(502)).times(2));
    world.sim.add_fault(FaultRule::on("/api/v1/version", Fault::Reset).times(1).method("GET"));
    world.sim.add_fault(FaultRule::on("/api/v1/version", Fault::Slow(Duration::from_millis(1))).times(1));
    assert_eq!(world.get("version", "").await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(world.get("version", "").await.0, StatusCode::BAD_GATEWAY);
    let reset = client().get(world.url("api/v1/version")).send().await;
    assert!(reset.is_err_and(|error| !error.is_timeout()));
    assert_eq!(world.get("version", "").await.0, StatusCode::OK);
    world.sim.add_fault(FaultRule::on("/", Fault::Status(500)));
    world.sim.clear_faults();
    assert_eq!(world.get("version", "").await.0, StatusCode::OK);
}

#[tokio::test]
async fn s7_6_a_rotation_can_be_committed_and_its_answer_lost() {
    let world = World::start(Profile::V11).await;
    let tokens = world.tokens("alice", "read:user").await;
    world.sim.add_fault(FaultRule::on("/login/oauth/access_token", Fault::DropAnswer).times(1));
    let form = world.refresh_form(&tokens.refresh);
    assert!(client().post(world.url("login/oauth/access_token")).form(&form).send().await.is_err());
    assert_eq!(world.sim.grant("alice", &world.app.client_id).unwrap().counter, 2);
    assert_eq!(world.refused(&form).await, pair("unauthorized_client", "token was already used"));
    let lost = world.sim.issued_secrets();
    let refreshes: Vec<_> = lost.iter().filter(|secret| secret.kind == SecretKind::RefreshToken).collect();
    world.refresh(&refreshes[1].value).await;
}

#[tokio::test]
async fn s7_6_the_log_tells_what_was_sent() {
    let world = World::start(Profile::V11).await;
    let tokens = world.tokens("alice", "read:user").await;
    world.refresh(&tokens.refresh).await;
    assert_eq!((world.sim.code_exchanges(), world.sim.refreshes()), (1, 1));
    let exchange = &world.sim.requests_to("/login/oauth/access_token")[0];
    assert!(exchange.field("code_verifier").is_some());
    let authorize = &world.sim.requests_to("/login/oauth/authorize")[0];
    assert!(authorize.query.contains("code_challenge_method=S256") && authorize.query.contains("scope=read%3Auser"));
    world.sim.clear_requests();
    let request =
        client().get(world.url("api/v1/user?x=1")).header("user-agent", "a-client/1").bearer_auth(&tokens.access);
    request.send().await.unwrap();
    let seen = world.sim.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].header("user-agent"), seen[0].status), (Some("a-client/1"), Some(200)));
    assert_eq!((seen[0].target.as_str(), seen[0].path.as_str()), ("/api/v1/user?x=1", "/api/v1/user"));
    assert!(seen[0].contains(&tokens.access) && !seen[0].query.contains(&tokens.access));
    assert_eq!(world.sim.count_requests(|request| request.header("authorization").is_some()), 1);
    assert_eq!(world.sim.most_at_once("/api/v1/user"), 1);
}

#[tokio::test]
async fn s7_6_every_secret_given_out_is_listed_and_prints_nothing() {
    let world = World::start(Profile::V11).await;
    let tokens = world.tokens("alice", "openid").await;
    let personal = world.sim.create_personal_token("alice", &["read:user"]).unwrap();
    assert_eq!(world.get("user", &personal).await.1["login"], "alice");
    assert_eq!(world.get("repos/alice/hello", &personal).await.0, StatusCode::FORBIDDEN);
    let issued = world.sim.issued_secrets();
    for value in [&tokens.access, &tokens.refresh, &personal, &world.app.client_secret, "alice-password"] {
        assert!(issued.iter().any(|secret| secret.value == *value));
    }
    let printed = format!("{issued:?} {:?} {:?} {:?}", world.sim, world.app, world.sim.accounts());
    for secret in issued {
        assert!(!printed.contains(&secret.value));
    }
}

#[tokio::test]
async fn s7_6_tokens_can_be_made_without_a_browser() {
    let world = World::start(Profile::V11).await;
    let first = world.sim.grant_tokens("alice", &world.app.client_id, "read:user").unwrap();
    assert_eq!(world.get("user", &first.access_token).await.0, StatusCode::OK);
    let second = world.sim.grant_tokens("alice", &world.app.client_id, "all").unwrap();
    assert_eq!(world.sim.grant("alice", &world.app.client_id).unwrap().scope, "read:user");
    assert_eq!(world.refused(&world.refresh_form(&first.refresh_token)).await.1, "token was already used");
    world.refresh(&second.refresh_token).await;
}

#[tokio::test]
async fn s7_6_requests_beside_the_root_url_are_not_found_but_logged() {
    let root_url = Some("http://127.0.0.1:1/git/".to_owned());
    let world = World::with(SimConfig { root_url, ..SimConfig::default() }).await;
    let host = format!("http://{}", world.sim.address());
    for (path, status, logged) in [
        ("/git/api/v1/version", 200, "/api/v1/version"),
        ("/api/v1/version", 404, "/api/v1/version"),
        ("/gitea/api/v1/version", 404, "/gitea/api/v1/version"),
    ] {
        let response = client().get(format!("{host}{path}")).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(world.sim.requests().last().unwrap().path, logged);
    }
    assert_eq!(world.sim.requests()[1].target, "/api/v1/version");
}
