use super::*;

#[test]
fn every_refusal_has_forgejos_shape() {
    let refusals = [
        Refusal::WrongCapability,
        Refusal::ReadOnly(Method::POST),
        Refusal::Door(DoorGroup::Hooks),
        Refusal::Path(PathError::DotSegment),
        Refusal::Limit { kind: LimitKind::Requests, retry_after: 7 },
        Refusal::UpstreamTimeout(60),
    ];
    for refusal in refusals {
        let response = refusal.response("https://git.example/api/swagger");
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json;charset=utf-8");
        assert!(!response.headers().contains_key("www-authenticate"));
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["url"], "https://git.example/api/swagger");
        assert_eq!(body["message"], refusal.to_string());
    }
}

#[test]
fn only_the_workers_own_capability_is_answered_with_401() {
    assert_eq!(Refusal::WrongCapability.status(), StatusCode::UNAUTHORIZED);
    for refusal in [Refusal::GrantEnded, Refusal::CredentialDead, Refusal::NotAccepted, Refusal::Unassigned] {
        assert_eq!(refusal.status(), StatusCode::FORBIDDEN, "{refusal}");
    }
}

#[test]
fn a_refusal_says_which_limit_it_was_and_what_to_do() {
    assert!(Refusal::ReadOnly(Method::DELETE).to_string().contains("read-only"));
    assert!(Refusal::ReadOnly(Method::DELETE).to_string().contains("choose write access"));
    assert!(Refusal::Door(DoorGroup::PushMirrors).to_string().contains("push-mirrors"));
    assert!(Refusal::GrantEnded.to_string().contains("log in again"));
    assert!(Refusal::CredentialDead.to_string().contains("log in again"));
}

#[test]
fn what_may_be_tried_again_says_when() {
    let response = Refusal::Limit { kind: LimitKind::Bytes, retry_after: 42 }.response("x");
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers().get("retry-after").unwrap(), "42");
    let response = Refusal::CredentialUnavailable { retry_after: 0 }.response("x");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    assert!(!Refusal::GrantEnded.response("x").headers().contains_key("retry-after"));
}
