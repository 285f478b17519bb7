use super::*;
use crate::client::{ClientKind, ClientMetadata};
use crate::clock::Timestamp;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn client() -> Client {
    Client {
        id: "c".into(),
        kind: ClientKind::Dynamic,
        metadata: ClientMetadata {
            redirect_uris: vec!["http://localhost/callback".into(), "https://a.example/cb".into()],
            client_name: Some("Test".into()),
            client_uri: None,
            application_type: None,
            software_id: None,
            software_version: None,
            token_endpoint_auth_method: crate::client::TokenEndpointAuthMethod::None,
        },
        created_at: Timestamp(0),
        last_used_at: Timestamp(0),
        authorized: false,
    }
}

fn judge(pairs: &[(&'static str, &'static str)]) -> Result<AuthorizationRequest, Refusal> {
    Parameters::from_pairs(pairs.iter().map(|(name, value)| (Cow::from(*name), Cow::from(*value)))).judge(
        &client(),
        &AllowList::default(),
        &Resource::of_issuer("https://b.example"),
    )
}

fn good() -> Vec<(&'static str, &'static str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "c"),
        ("redirect_uri", "http://localhost:4711/callback"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "s"),
    ]
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut pairs: Vec<_> = good().into_iter().filter(|(n, _)| *n != name).collect();
    pairs.push((name, value));
    pairs
}

fn code(result: Result<AuthorizationRequest, Refusal>) -> ErrorCode {
    match result {
        Err(Refusal::Redirect { code, state, .. }) => {
            assert_eq!(state.as_deref(), Some("s"), "state is echoed with every error (B18)");
            code
        }
        other => panic!("expected an error at the redirect URI, got {other:?}"),
    }
}

#[test]
fn a_good_request_passes_with_the_default_scope() {
    let request = judge(&good()).unwrap();
    assert_eq!(request.scope, ScopeSet::READ_WRITE);
    assert_eq!(request.redirect_uri.as_str(), "http://localhost:4711/callback");
    assert_eq!(request.state.as_deref(), Some("s"));
}

#[test]
fn an_unregistered_redirect_uri_is_told_to_the_user_only() {
    let refusal = judge(&with("redirect_uri", "https://evil.example/cb"));
    assert_eq!(refusal, Err(Refusal::Page(PageReason::RedirectUri("https://evil.example/cb".into()))));
}

#[test]
fn a_repeated_redirect_uri_or_client_is_told_to_the_user_only() {
    let mut pairs = good();
    pairs.push(("redirect_uri", "https://a.example/cb"));
    assert_eq!(judge(&pairs), Err(Refusal::Page(PageReason::Repeated("redirect_uri"))));
}

#[test]
fn every_other_fault_is_told_to_the_client_with_the_right_code() {
    assert_eq!(code(judge(&with("response_type", "token"))), ErrorCode::UnsupportedResponseType);
    assert_eq!(code(judge(&with("code_challenge_method", "plain"))), ErrorCode::InvalidRequest);
    assert_eq!(code(judge(&with("code_challenge", ""))), ErrorCode::InvalidRequest);
    assert_eq!(code(judge(&with("scope", "admin"))), ErrorCode::InvalidScope);
    assert_eq!(code(judge(&with("resource", "https://other.example/mcp"))), ErrorCode::InvalidTarget);
    let mut twice = good();
    twice.push(("scope", "read"));
    twice.push(("scope", "write"));
    assert_eq!(code(judge(&twice)), ErrorCode::InvalidRequest);
}

#[test]
fn several_resources_are_fine_as_long_as_each_is_this_one() {
    let mut pairs = with("resource", "https://b.example/mcp");
    pairs.push(("resource", "https://b.example/"));
    assert!(judge(&pairs).is_ok());
}

#[test]
fn a_sealed_request_reads_back_as_it_was() {
    let request = judge(&good()).unwrap();
    let json = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<AuthorizationRequest>(&json).unwrap(), request);
}
