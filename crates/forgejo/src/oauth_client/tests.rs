use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fake_forgejo::{CLIENT_SECRET, Canned, FakeForgejo, REDIRECT, START, VERIFIER, jwt, secret};

mod setup;

async fn token(fake: &FakeForgejo, client: &OAuthClient) -> SecretString {
    client.exchange(&fake.code(), VERIFIER).await.unwrap().access_token
}

fn field(form: &[(String, String)], name: &str) -> String {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

#[tokio::test]
async fn the_authorize_url_is_the_browsers_and_carries_scope_state_and_s256() {
    let fake = FakeForgejo::start().await;
    let mut config = fake.config();
    config.internal_url = Some(fake.base.clone());
    config.public_url = Url::parse("https://git.example/sub/path/").unwrap();
    let client = config.build(OutboundConfig::default().build().unwrap(), fake.now()).unwrap();

    let url = client.authorize_url("st&te", "challenge");
    assert_eq!(url.origin().ascii_serialization(), "https://git.example");
    assert_eq!(url.path(), "/sub/path/login/oauth/authorize");
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(query["state"], "st&te");
    assert_eq!(query["code_challenge"], "challenge");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["redirect_uri"], REDIRECT);
    assert_eq!(query["scope"], crate::scope::DEFAULT_SCOPES);
    assert!(!url.as_str().contains(CLIENT_SECRET));
    assert_eq!(client.issuer(), "https://git.example/sub/path");
    assert!(client.identity(&token(&fake, &client).await).await.is_ok(), "the back channel goes to the internal URL");
}

#[tokio::test]
async fn a_code_becomes_a_dated_pair_with_its_grant_id() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let pair = client.exchange(&fake.code(), VERIFIER).await.unwrap();
    assert_eq!(pair.refreshed_at, START);
    assert_eq!(pair.expires_at, START + 3_600_000);
    assert_eq!(pair.grant_id, Some(7));
    let form = &fake.seen().forms[0];
    assert_eq!(field(form, "code_verifier"), VERIFIER);
    assert_eq!(field(form, "redirect_uri"), REDIRECT);
    assert_eq!(fake.seen().headers[0]["user-agent"], "fjmcp-broker/test");
    assert!(!fake.seen().headers[0].contains_key("authorization"));
}

#[tokio::test]
async fn a_sub_path_with_or_without_a_slash_at_its_end_works() {
    let fake = FakeForgejo::start_below("/git").await;
    for text in [format!("{}", fake.base), format!("{}/", fake.base), format!("{}///", fake.base)] {
        let mut config = fake.config();
        config.public_url = Url::parse(&text).unwrap();
        let client = config.build(OutboundConfig::default().build().unwrap(), fake.now()).unwrap();
        let token = token(&fake, &client).await;
        let identity = client.identity(&token).await.unwrap();
        assert_eq!(&*identity.issuer, fake.base.as_str());
        assert_eq!(client.version(Some(&token)).await.unwrap(), "11.0.15+gitea-1.22.0");
        assert!(client.granted_scope(&token).await.unwrap().covers(client.scopes()));
    }
}

/// forgejo.md §4.6: one status, mostly one code; a failed attempt does not burn the code.
#[tokio::test]
async fn the_exchange_tells_a_refusal_from_a_rejected_application() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let code = fake.code();
    let refused = client.exchange(&code, "wrong").await.unwrap_err();
    let ExchangeError::Refused(denial) = &refused else { panic!("{refused:?}") };
    assert_eq!(denial.error, "unauthorized_client");
    assert_eq!(denial.hint(), Some("the verifier does not belong to this login"));
    client.exchange(&code, VERIFIER).await.unwrap();
    assert!(matches!(client.exchange(&code, VERIFIER).await, Err(ExchangeError::Refused(_))));

    let mut config = fake.config();
    config.client_secret = secret("gto_wrong");
    let client = config.build(OutboundConfig::default().build().unwrap(), fake.now()).unwrap();
    let wrong_secret = client.exchange(&fake.code(), VERIFIER).await.unwrap_err();
    let ExchangeError::Refused(denial) = &wrong_secret else { panic!("{wrong_secret:?}") };
    assert!(denial.hint().unwrap().contains("secret"));

    let mut config = fake.config();
    config.client_id = "other".to_owned();
    let client = config.build(OutboundConfig::default().build().unwrap(), fake.now()).unwrap();
    assert!(matches!(client.exchange(&fake.code(), VERIFIER).await, Err(ExchangeError::ClientRejected(_))));

    fake.set(|levers| {
        levers.token = Some(Canned::denial("invalid_request", "cannot proceed your request"));
    });
    assert!(matches!(fake.client().exchange("x", VERIFIER).await, Err(ExchangeError::Refused(_))));
}

#[tokio::test]
async fn the_refresh_sorts_every_answer_of_the_token_endpoint() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let first = client.exchange(&fake.code(), VERIFIER).await.unwrap();
    let second = client.refresh(&first.refresh_token).await.unwrap();
    let used = client.refresh(&first.refresh_token).await.unwrap_err();
    assert!(
        matches!(&used, RefreshError::Refused(denial) if denial.description == "token was already used"),
        "{used:?}"
    );
    assert!(matches!(client.refresh(&secret("garbage")).await, Err(RefreshError::Refused(_))));

    for canned in [
        Canned::html(500),
        Canned::html(503),
        Canned::html(400),
        Canned::html(200),
        Canned::html(404),
        Canned::html(403),
        Canned::json(429, &json!({"error": "invalid_grant"})),
        Canned::json(502, &json!({"error": "invalid_grant"})),
        Canned::json(200, &json!({"access_token": "a", "token_type": "mac", "refresh_token": "b"})),
        Canned::json(200, &json!({"access_token": "", "token_type": "bearer", "refresh_token": "b"})),
        Canned::json(200, &json!({"access_token": "a\nb", "token_type": "bearer", "refresh_token": "b"})),
        Canned::denial("invalid_request", "cannot proceed your request"),
        Canned::denial("unsupported_grant_type", "Only refresh_token or authorization_code grant type is supported"),
        Canned { status: 200, kind: "application/json", body: "x".repeat(70_000), location: None, retry_after: None },
        Canned {
            status: 302,
            kind: "text/html",
            body: String::new(),
            location: Some("/elsewhere?token=1"),
            retry_after: None,
        },
    ] {
        fake.set(|levers| levers.token = Some(canned.clone()));
        let error = client.refresh(&second.refresh_token).await.unwrap_err();
        assert!(matches!(error, RefreshError::Unreachable(_)), "{canned:?}: {error:?}");
    }
    for (code, text) in
        [("invalid_client", "invalid client secret"), ("invalid_client", "cannot load client with client id: x")]
    {
        fake.set(|levers| levers.token = Some(Canned::denial(code, text)));
        assert!(matches!(client.refresh(&second.refresh_token).await, Err(RefreshError::ClientRejected(_))));
    }
    for code in ["invalid_grant", "unauthorized_client"] {
        fake.set(|levers| levers.token = Some(Canned::denial(code, "x")));
        assert!(matches!(client.refresh(&second.refresh_token).await, Err(RefreshError::Refused(_))));
    }
}

#[tokio::test]
async fn an_answer_without_refresh_token_keeps_the_old_one_and_any_case_of_bearer_is_taken() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let body = json!({"access_token": "opaque", "token_type": "BeArEr", "expires_in": 60});
    fake.set(|levers| levers.token = Some(Canned::json(200, &body)));
    let pair = client.refresh(&secret("old")).await.unwrap();
    assert_eq!(pair.refresh_token.expose_secret(), "old");
    assert_eq!(pair.expires_at, START + 60_000);
    assert_eq!(pair.grant_id, None);
    assert!(matches!(client.exchange("code", VERIFIER).await, Err(ExchangeError::Unreachable(_))));
}

#[tokio::test]
async fn the_shorter_of_the_two_lives_counts_and_a_clock_that_differs_does_no_harm() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let life = |claims: serde_json::Value, expires_in: Option<i64>| {
        let body = json!({"access_token": jwt(&claims), "token_type": "bearer", "refresh_token": "r", "expires_in": expires_in});
        fake.set(|levers| levers.token = Some(Canned::json(200, &body)));
        let client = client.clone();
        async move { client.refresh(&secret("old")).await.unwrap().expires_at - START }
    };
    assert_eq!(life(json!({"iat": 1000, "exp": 1060}), Some(3600)).await, 60_000);
    assert_eq!(life(json!({"iat": 1000, "exp": 9000}), Some(3600)).await, 3_600_000);
    assert_eq!(life(json!({"iat": 1000, "exp": 1900}), None).await, 900_000);
    assert_eq!(life(json!({"exp": "soon"}), Some(1800)).await, 1_800_000);
    assert_eq!(life(json!({}), None).await, 300_000);
}

#[tokio::test]
async fn the_identity_comes_from_the_api_and_is_fit_for_display() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let token = token(&fake, &client).await;
    let identity = client.identity(&token).await.unwrap();
    assert_eq!((identity.id, identity.sub.as_str(), identity.login.as_str()), (42, "42", "alice"));
    assert_eq!(identity.full_name, "Alice A.");
    assert_eq!(fake.seen().userinfos, 0);
}

#[tokio::test]
async fn a_grant_without_read_user_is_identified_by_userinfo() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let token = token(&fake, &client).await;
    let lacking = Canned::message(403, "token does not have at least one of required scope(s): [read:user]");
    fake.set(|levers| levers.user = Some(lacking));
    let identity = client.identity(&token).await.unwrap();
    assert_eq!((identity.id, identity.login.as_str()), (42, "alice"));

    let cases = [
        (Canned::html(200), BlockReason::Prohibited),
        (
            Canned { location: Some("/user/settings/change_password"), ..Canned::html(303) },
            BlockReason::MustChangePassword,
        ),
        (Canned { location: Some("/user/settings/security"), ..Canned::html(303) }, BlockReason::TwoFactorRequired),
    ];
    for (canned, reason) in cases {
        fake.set(|levers| levers.userinfo = Some(canned));
        let error = client.identity(&token).await.unwrap_err();
        assert!(matches!(&error, IdentityError::Blocked(blocked) if blocked.reason == reason), "{error:?}");
    }
    let text = Canned {
        status: 401,
        kind: "text/plain",
        body: "Credentials are incorrect".to_owned(),
        location: None,
        retry_after: None,
    };
    fake.set(|levers| levers.userinfo = Some(text));
    assert!(matches!(client.identity(&token).await, Err(IdentityError::TokenRejected(_))));
    fake.set(|levers| {
        levers.userinfo = Some(Canned::json(200, &json!({"sub": "alice", "preferred_username": "alice"})));
    });
    assert!(matches!(client.identity(&token).await, Err(IdentityError::Unreachable(_))));
}

/// forgejo.md §4.7, §4.10.
#[tokio::test]
async fn users_whom_forgejo_keeps_out_are_told_why() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let token = token(&fake, &client).await;
    for (text, reason) in [
        ("This account is not activated.", BlockReason::NotActivated),
        (
            "This account is prohibited from signing in, please contact your site administrator.",
            BlockReason::Prohibited,
        ),
        (
            "You must change your password. Change it at: https://git.example/user/change_password",
            BlockReason::MustChangePassword,
        ),
        ("You must enable two-factor authentication", BlockReason::TwoFactorRequired),
        ("No.", BlockReason::Other),
    ] {
        fake.set(|levers| levers.user = Some(Canned::message(403, text)));
        let error = client.identity(&token).await.unwrap_err();
        assert!(matches!(&error, IdentityError::Blocked(blocked) if blocked.reason == reason), "{error:?}");
        assert!(error.to_string().contains(text));
    }
}

#[tokio::test]
async fn what_a_proxy_says_is_no_statement_about_the_user() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let token = token(&fake, &client).await;
    for canned in [
        Canned::html(200),
        Canned::html(401),
        Canned::html(403),
        Canned::html(404),
        Canned::message(500, "oops"),
        Canned { location: Some("https://other.example/api/v1/user?x=1"), ..Canned::html(301) },
    ] {
        fake.set(|levers| levers.user = Some(canned.clone()));
        let error = client.identity(&token).await.unwrap_err();
        assert!(matches!(error, IdentityError::Unreachable(_)), "{canned:?}: {error:?}");
    }
    assert_eq!(fake.seen().userinfos, 0);
}

/// forgejo.md §2.5: Forgejo echoes bad tokens.
#[tokio::test]
async fn a_token_that_forgejo_echoes_is_removed_from_the_error() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    fake.set(|levers| {
        levers.user = Some(Canned::message(401, "access token does not exist [sha: s3cr3t-token]"));
    });
    let error = client.identity(&secret("s3cr3t-token")).await.unwrap_err();
    assert_eq!(error, IdentityError::TokenRejected("access token does not exist [sha: [removed]]".to_owned()));

    fake.set(|levers| {
        levers.token = Some(Canned::denial("unauthorized_client", &format!("bad s3cr3t-refresh {CLIENT_SECRET}")));
    });
    let error = client.refresh(&secret("s3cr3t-refresh")).await.unwrap_err();
    assert!(!format!("{error:?}{error}").contains("s3cr3t"), "{error:?}");
    assert!(!format!("{error:?}").contains(CLIENT_SECRET));
}

#[tokio::test]
async fn no_secret_is_in_any_debug_text() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let pair = client.exchange(&fake.code(), VERIFIER).await.unwrap();
    let outbound = OutboundConfig {
        proxy: Some(Url::parse("http://user:pr0xy-pass@proxy.example:3128").unwrap()),
        ..OutboundConfig::default()
    };
    let text = format!("{client:?} {pair:?} {:?} {outbound:?} {:?}", fake.config(), outbound.build().unwrap());
    for hidden in [CLIENT_SECRET, pair.access_token.expose_secret(), pair.refresh_token.expose_secret(), "pr0xy-pass"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}

#[tokio::test]
async fn a_silent_or_absent_forgejo_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fake = FakeForgejo::start().await;
    let mut config = fake.config();
    config.public_url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let outbound = OutboundConfig { total_timeout: Duration::from_millis(50), ..OutboundConfig::default() };
    let client = config.build(outbound.build().unwrap(), fake.now()).unwrap();
    assert!(matches!(client.refresh(&secret("r")).await, Err(RefreshError::Unreachable(_))));
    drop(listener);
    assert!(matches!(client.identity(&secret("t")).await, Err(IdentityError::Unreachable(_))));
    assert!(matches!(client.version(None).await, Err(VersionError::Unreachable(_))));
}

#[tokio::test]
async fn introspection_tells_scope_inactivity_and_a_wrong_secret() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    let token = token(&fake, &client).await;
    fake.set(|levers| levers.scope = "read:user".to_owned());
    let granted = client.granted_scope(&token).await.unwrap();
    assert!(!granted.covers(client.scopes()));
    fake.set(|levers| levers.revoked = true);
    assert_eq!(client.granted_scope(&token).await, Err(IntrospectionError::Inactive));
    let mut config = fake.config();
    config.client_secret = secret("gto_wrong");
    let wrong = config.build(OutboundConfig::default().build().unwrap(), fake.now()).unwrap();
    assert_eq!(wrong.granted_scope(&token).await, Err(IntrospectionError::ClientRejected));
}

#[tokio::test]
async fn the_version_is_told_without_a_token_and_refused_to_a_bad_one() {
    let fake = FakeForgejo::start().await;
    let client = fake.client();
    assert_eq!(client.version(None).await.unwrap(), "11.0.15+gitea-1.22.0");
    assert!(matches!(client.version(Some(&secret("bad"))).await, Err(VersionError::Refused(_))));
}

proptest! {
    #[test]
    fn a_displayed_text_is_one_short_line_without_secrets(text in any::<String>(), secret in "[A-Za-z0-9]{8,20}", around in "\\PC{0,20}") {
        let shown = for_display(&format!("{text}{secret}{around}"), &[&secret]);
        prop_assert!(!shown.contains(&secret));
        prop_assert!(shown.chars().count() <= 301);
        prop_assert!(!shown.chars().any(char::is_control));
    }

    #[test]
    fn hints_of_any_text_never_fail_and_never_give_a_negative_life(text in any::<String>(), iat in any::<i64>(), exp in any::<i64>()) {
        let _ = TokenHints::of(&SecretString::from(text));
        let hints = TokenHints::of(&SecretString::from(jwt(&json!({"iat": iat, "exp": exp}))));
        prop_assert!(hints.life().is_none_or(|life| life > 0));
    }
}
