use super::*;

#[test]
fn only_the_two_start_up_requests_are_probes() {
    let probe = |method: Method, path: &str| Probe::of(&method, &TargetPath::parse(path).unwrap());
    assert_eq!(probe(Method::GET, "/api/v1/version"), Some(Probe::Version));
    assert_eq!(probe(Method::GET, "/api/v1//user/"), Some(Probe::User));
    assert_eq!(probe(Method::POST, "/api/v1/user"), None);
    assert_eq!(probe(Method::GET, "/api/v1/user/repos"), None);
    assert_eq!(probe(Method::GET, "/api/v1/users/alice"), None);
}

#[test]
fn the_last_version_seen_is_answered() {
    let memory = VersionMemory::default();
    assert_eq!(memory.current(), PLACEHOLDER_VERSION);
    assert_eq!(memory.seen(), None);
    memory.keep_answer(br#"{"version":"15.0.3+gitea-1.22.0"}"#);
    assert_eq!(&version_body(&memory)[..], br#"{"version":"15.0.3+gitea-1.22.0"}"#);
    for junk in [&b"{}"[..], b"<html>", br#"{"version":""}"#, br#"{"version":"a b"}"#] {
        memory.keep_answer(junk);
        assert_eq!(memory.current(), "15.0.3+gitea-1.22.0");
    }
    memory.keep(&"1".repeat(LONGEST_VERSION + 1));
    assert_eq!(memory.current(), "15.0.3+gitea-1.22.0");
}

#[test]
fn the_version_is_asked_for_once_in_a_while() {
    let memory = VersionMemory::default();
    assert!(memory.is_due());
    assert!(!memory.is_due());
}

#[test]
fn the_stored_identity_is_answered_in_forgejos_shape() {
    let identity = KnownIdentity { id: 7, login: "alice".to_owned() };
    let user: serde_json::Value = serde_json::from_slice(&user_body(Some(&identity), "https://git.example/")).unwrap();
    assert_eq!((&user["id"], &user["login"], &user["username"]), (&json!(7), &json!("alice"), &json!("alice")));
    assert_eq!(user["html_url"], "https://git.example/alice");
    let nobody: serde_json::Value = serde_json::from_slice(&user_body(None, "https://git.example/")).unwrap();
    assert_eq!(nobody["id"], 0);
    assert_eq!(nobody.as_object().unwrap().len(), user.as_object().unwrap().len());
}
