use proptest::prelude::*;

use super::{super::doors::DoorGroup, *};

fn decide(method: &Method, path: &str, access: GrantAccess) -> Result<RequestClass, Refusal> {
    judge(method, &TargetPath::parse(path).unwrap(), &GrantTerms::everywhere(access), DoorGroups::default())
}

#[test]
pub(in crate::gateway) fn a_read_only_grant_gets_get_and_head() {
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(decide(&method, "/api/v1/repos/a/b/issues", GrantAccess::ReadOnly), Ok(RequestClass::Read));
        assert_eq!(decide(&method, "/a/b/archive/main.zip", GrantAccess::ReadOnly), Ok(RequestClass::Download));
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(
            decide(&method, "/api/v1/repos/a/b/issues", GrantAccess::ReadOnly),
            Err(Refusal::ReadOnly(method.clone()))
        );
        assert_eq!(decide(&method, "/api/v1/repos/a/b/issues", GrantAccess::ReadWrite), Ok(RequestClass::Write));
    }
}

#[test]
pub(in crate::gateway) fn a_read_only_grant_may_render() {
    for path in ["/api/v1/markdown", "/api/v1/markdown/raw", "/api/v1/markup", "/api/v1//markup/"] {
        assert_eq!(decide(&Method::POST, path, GrantAccess::ReadOnly), Ok(RequestClass::Read), "{path}");
    }
    for path in ["/api/v1/markdown/x", "/api/v1/markup/raw", "/api/v1/repos/a/markdown"] {
        assert_eq!(decide(&Method::POST, path, GrantAccess::ReadOnly), Err(Refusal::ReadOnly(Method::POST)), "{path}");
    }
    assert!(decide(&Method::PUT, "/api/v1/markdown", GrantAccess::ReadOnly).is_err());
}

#[test]
fn an_ended_grant_gets_nothing() {
    for (method, path) in
        [(Method::GET, "/api/v1/version"), (Method::POST, "/api/v1/markdown"), (Method::GET, "/a/b/raw/x")]
    {
        assert_eq!(decide(&method, path, GrantAccess::Ended), Err(Refusal::GrantEnded));
    }
}

#[test]
fn doors_are_shut_whatever_the_method_and_the_grant() {
    for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for access in [GrantAccess::ReadOnly, GrantAccess::ReadWrite] {
            assert_eq!(
                decide(&method, "/api/v1/repos/a/b/hooks", access),
                Err(Refusal::Door(DoorGroup::Hooks)),
                "{method}"
            );
        }
    }
}

#[test]
pub(in crate::gateway) fn the_operator_opens_a_group_and_only_that() {
    let open: DoorGroups = [DoorGroup::Hooks].into_iter().collect();
    let path = TargetPath::parse("/api/v1/repos/a/b/hooks").unwrap();
    assert_eq!(
        judge(&Method::POST, &path, &GrantTerms::everywhere(GrantAccess::ReadWrite), open),
        Ok(RequestClass::Write)
    );
    assert_eq!(
        judge(&Method::POST, &path, &GrantTerms::everywhere(GrantAccess::ReadOnly), open),
        Err(Refusal::ReadOnly(Method::POST))
    );
    let path = TargetPath::parse("/api/v1/repos/a/b/keys").unwrap();
    assert_eq!(
        judge(&Method::GET, &path, &GrantTerms::everywhere(GrantAccess::ReadWrite), open),
        Err(Refusal::Door(DoorGroup::DeployKeys))
    );
}

#[test]
fn downloads_are_only_read_and_odd_methods_are_refused() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(
            decide(&method, "/a/b/archive/main.zip", GrantAccess::ReadWrite),
            Err(Refusal::Method(method.clone()))
        );
    }
    for method in ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "M-SEARCH"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(decide(&method, "/api/v1/user", GrantAccess::ReadWrite), Err(Refusal::Method(method.clone())));
    }
}

proptest! {
    #[test]
    fn a_read_only_grant_never_gets_more_than_a_full_one(
        method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]),
        path in "/api/v1(/(repos|user|users|admin|markdown|raw|a|b|hooks|keys|actions|secrets|issues)){1,6}",
    ) {
        let full = decide(&method, &path, GrantAccess::ReadWrite);
        let lesser = decide(&method, &path, GrantAccess::ReadOnly);
        if lesser.is_ok() {
            prop_assert_eq!(&full, &lesser);
            prop_assert!(!matches!(lesser, Ok(RequestClass::Write)));
        }
        prop_assert!(decide(&method, &path, GrantAccess::Ended).is_err());
    }
}
