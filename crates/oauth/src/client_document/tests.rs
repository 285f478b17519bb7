use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::redirect_uri::RedirectUri;

const URL: &str = "https://app.example/client.json";

fn document() -> Value {
    json!({"client_id": URL, "client_name": "App", "redirect_uris": ["https://app.example/cb"]})
}

fn with(name: &str, value: Value) -> Value {
    let mut document = document();
    document[name] = value;
    document
}

fn judged(document: &Value) -> Result<ClientDocument, Refusal> {
    judge(&DocumentUrl::parse(URL).unwrap(), document.to_string().as_bytes(), &AllowList::default())
}

fn keys() -> Value {
    json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
           "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]})
}

#[test]
fn check_4_only_json_is_read() {
    for good in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/cimd+json",
        "application/oauth-client-id+json",
    ] {
        assert_eq!(judge_media_type(Some(good)), Ok(()), "{good}");
    }
    for bad in
        [None, Some(""), Some("text/html"), Some("text/json"), Some("application/+json"), Some("application/jsonp")]
    {
        assert_eq!(judge_media_type(bad), Err(Refusal::MediaType), "{bad:?}");
    }
}

#[test]
fn check_5_id_name_and_redirect_uris_are_needed() {
    assert!(judged(&document()).is_ok());
    for missing in ["client_id", "client_name", "redirect_uris"] {
        let mut document = document();
        document.as_object_mut().unwrap().remove(missing);
        assert!(judged(&document).is_err(), "without {missing}");
    }
    assert_eq!(judged(&with("client_name", json!("  "))), Err(Refusal::NoName));
    assert!(matches!(judged(&json!([])), Err(Refusal::Metadata(registration::Refusal::Malformed(_)))));
}

#[test]
fn check_6_the_client_id_is_compared_as_text() {
    for other in [
        "https://app.example/client.json/",
        "https://app.example:443/client.json",
        "https://APP.example/client.json",
        "https://evil.example/client.json",
    ] {
        assert_eq!(judged(&with("client_id", json!(other))), Err(Refusal::OtherClient), "{other}");
    }
    assert_eq!(judged(&with("client_id", json!([URL]))), Err(Refusal::OtherClient));
}

#[test]
fn check_7_no_secret_in_any_form() {
    for name in ["client_secret", "client_secret_expires_at", "Client_Secret"] {
        assert_eq!(judged(&with(name, json!(""))), Err(Refusal::Secret(name.to_owned())));
    }
    for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt", "tls_client_auth", "NONE"] {
        assert!(
            matches!(judged(&with("token_endpoint_auth_method", json!(method))), Err(Refusal::Method(_))),
            "{method}"
        );
    }
    assert!(matches!(judged(&with("token_endpoint_auth_method", json!(1))), Err(Refusal::Method(_))));
    for public in [Value::Null, json!("none")] {
        let document = judged(&with("token_endpoint_auth_method", public)).unwrap();
        assert_eq!(document.authentication, Authentication::None);
        assert_eq!(document.metadata.token_endpoint_auth_method, TokenEndpointAuthMethod::None);
    }
}

#[test]
fn check_8_the_redirect_uris_are_those_of_the_document_with_any_loopback_port() {
    // Claude Code's document (oauth.md §5.3).
    let uris = json!(["http://localhost/callback", "http://127.0.0.1/callback", "evil:cb"]);
    let metadata = judged(&with("redirect_uris", uris)).unwrap().metadata;
    assert_eq!(metadata.redirect_uris, ["http://localhost/callback", "http://127.0.0.1/callback"]);
    let registered: Vec<_> =
        metadata.redirect_uris.iter().map(|uri| RedirectUri::parse(uri, &AllowList::default()).unwrap()).collect();
    assert!(RedirectUri::select(&registered, Some("http://localhost:3118/callback")).is_some());
    assert!(RedirectUri::select(&registered, Some("https://localhost/callback")).is_none());
}

#[test]
fn check_13_a_long_document_is_not_read() {
    let document = with("padding", json!("x".repeat(MAX_BYTES)));
    assert_eq!(judged(&document), Err(Refusal::TooLong));
}

#[test]
fn check_17_private_key_jwt_needs_one_source_of_keys() {
    let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
    assert_eq!(judged(&document), Err(Refusal::KeySource));
    document["jwks"] = keys();
    let judgement = judged(&document).unwrap();
    assert_eq!(judgement.metadata.token_endpoint_auth_method, TokenEndpointAuthMethod::PrivateKeyJwt);
    assert!(matches!(
        judgement.authentication,
        Authentication::PrivateKeyJwt { keys: KeySource::Inline(_), algorithm: None }
    ));
    document["jwks_uri"] = json!("https://app.example/jwks.json");
    assert_eq!(judged(&document), Err(Refusal::KeySource), "both");
    document["jwks"] = Value::Null;
    assert!(matches!(
        judged(&document).unwrap().authentication,
        Authentication::PrivateKeyJwt { keys: KeySource::Uri(_), .. }
    ));
    document["token_endpoint_auth_signing_alg"] = json!("RS256");
    assert!(matches!(
        judged(&document).unwrap().authentication,
        Authentication::PrivateKeyJwt { algorithm: Some(Algorithm::Rs256), .. }
    ));
    for algorithm in ["none", "HS256", "PS256"] {
        document["token_endpoint_auth_signing_alg"] = json!(algorithm);
        assert_eq!(judged(&document), Err(Refusal::Algorithm), "{algorithm}");
    }
}

#[test]
fn check_12_keys_are_not_fetched_from_where_a_document_would_not_be() {
    for uri in ["http://app.example/jwks.json", "https://169.254.169.254/jwks.json", "https://u@app.example/j"] {
        let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
        document["jwks_uri"] = json!(uri);
        assert!(matches!(judged(&document), Err(Refusal::KeysUri(_))), "{uri}");
    }
}

proptest! {
    #[test]
    fn no_document_makes_the_judge_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = judge(&DocumentUrl::parse(URL).unwrap(), &body, &AllowList::default());
    }

    #[test]
    fn a_document_that_names_another_client_is_never_accepted(other in "[a-z:/.]{0,40}", name in "[a-z]{1,8}") {
        prop_assume!(other != URL);
        let document = json!({"client_id": other, "client_name": name, "redirect_uris": ["https://app.example/cb"]});
        prop_assert!(judged(&document).is_err());
    }
}
