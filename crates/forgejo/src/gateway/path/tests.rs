use proptest::prelude::*;

use super::*;

fn forwarded(raw: &str) -> String {
    TargetPath::parse(raw).unwrap_or_else(|error| panic!("{raw}: {error}")).as_str().to_owned()
}

fn refused(raw: &str) -> PathError {
    match TargetPath::parse(raw) {
        Ok(path) => panic!("{raw} was let through as {path}"),
        Err(error) => error,
    }
}

#[test]
fn repeated_and_trailing_slashes_collapse() {
    for raw in [
        "/api/v1/repos/alice//priv",
        "//api/v1/repos/alice/priv",
        "/api//v1///repos/alice/priv",
        "/api/v1/repos/alice/priv/",
        "/api/v1/repos/alice/priv///",
    ] {
        assert_eq!(forwarded(raw), "/api/v1/repos/alice/priv", "{raw}");
    }
}

#[test]
fn escaped_unreserved_characters_are_decoded_before_judging() {
    assert_eq!(forwarded("/api/v1/repos/alice/%70riv"), "/api/v1/repos/alice/priv");
    assert_eq!(forwarded("/%61pi/v1/%61dmin/users"), "/api/v1/admin/users");
    assert_eq!(forwarded("/api/v1/user/%6B%65ys"), "/api/v1/user/keys");
}

#[test]
fn owner_and_repository_compare_without_case() {
    let plain = TargetPath::parse("/api/v1/repos/alice/priv").unwrap().repository();
    assert!(plain.is_some());
    for raw in ["/api/v1/repos/ALICE/Priv/issues", "/Alice/PRIV/raw/branch/main/x", "/api/v1/repos/%41lice//pri%56"] {
        assert_eq!(TargetPath::parse(raw).unwrap().repository(), plain, "{raw}");
    }
}

#[test]
fn dot_segments_are_refused_in_every_spelling() {
    for raw in [
        "/api/v1/repos/alice/../admin",
        "/api/v1/repos/alice/%2e%2e/admin",
        "/api/v1/repos/alice/.%2E/admin",
        "/api/v1/./version",
        "/api/v1/%2e/version",
        "/api/v1/repos/a/b/contents/..%2F..%2Fhooks",
        "/api/v1/repos/a/b/contents/x%2f..%2fy",
        "/api/v1/repos/a/b/contents/x%2f.%2fy",
        "/api/v1/repos/a/b/contents/x%2F%2e%2e",
        "/api/v1/..",
    ] {
        assert_eq!(refused(raw), PathError::DotSegment, "{raw}");
    }
}

#[test]
fn backslash_control_characters_and_broken_escapes_are_refused() {
    assert_eq!(refused("/api/v1/repos/a/b\\c"), PathError::Backslash);
    assert_eq!(refused("/api/v1/repos/a/b%5Cc"), PathError::Backslash);
    assert_eq!(refused("/api/v1/repos/a/b%5c..%5cadmin"), PathError::Backslash);
    assert_eq!(refused("/api/v1/repos/a/b%00"), PathError::ControlCharacter);
    assert_eq!(refused("/api/v1/repos/a/b%0d%0aX: y"), PathError::ControlCharacter);
    assert_eq!(refused("/api/v1/repos/a/b%7f"), PathError::ControlCharacter);
    assert_eq!(refused("/api/v1/repos/a/b%c2%85"), PathError::ControlCharacter);
    assert_eq!(refused("/api/v1/repos/a/%zz"), PathError::BrokenEscape);
    assert_eq!(refused("/api/v1/repos/a/b%2"), PathError::BrokenEscape);
    assert_eq!(refused("/api/v1/repos/a/b%"), PathError::BrokenEscape);
    assert_eq!(refused("/api/v1/repos/a/%ff"), PathError::NotUtf8);
    assert_eq!(refused("/api/v1/repos/a/%c0%ae%c0%ae"), PathError::NotUtf8);
}

#[test]
fn double_encoding_is_refused_but_a_lone_per_cent_sign_in_a_name_is_not() {
    assert_eq!(refused("/api/v1/repos/alice/%2570riv"), PathError::DoubleEscape);
    assert_eq!(refused("/api/v1/repos/a/b/contents/%252e%252e"), PathError::DoubleEscape);
    assert_eq!(forwarded("/api/v1/repos/a/b/contents/100%25.txt"), "/api/v1/repos/a/b/contents/100%25.txt");
}

#[test]
fn escaped_slashes_stay_legal_in_branch_file_tag_and_wiki_segments() {
    for raw in [
        "/api/v1/repos/a/b/branches/feature%2Fx",
        "/api/v1/repos/a/b/contents/src%2Fmain.rs",
        "/api/v1/repos/a/b/raw/src%2Fmain.rs",
        "/api/v1/repos/a/b/wiki/page/How%2FTo",
        "/api/v1/repos/a/b/git/refs/heads%2Fmain",
        "/api/v1/repos/a/b/releases/tags/v1%2F2",
        "/api/v1/repos/a/b/compare/feature%2Fx...main",
        "/api/v1/repos/a/b/pulls/feature%2Fx/main",
        "/a/b/raw/branch/feature%2Fx/README.md",
        "/a/b/releases/download/v1%2F2/x.tar.gz",
        "/api/v1/packages/alice/npm/@scope%2Fname/1.0.0",
    ] {
        assert_eq!(forwarded(raw), raw);
    }
}

#[test]
fn escaped_slashes_are_refused_everywhere_else() {
    for raw in [
        "/api/v1/repos/alice%2Fpriv",
        "/api/v1/repos/alice%2fpriv/issues",
        "/api/v1/repos%2Falice/priv/raw/x",
        "/api/v1/users/alice%2Ftokens",
        "/api/v1/repos/a/b/hooks%2F1",
        "/api/v1/repos/a/b/raw%2Fx",
        "/api/v1/user%2Fkeys",
        "/api/v1/repos/a/b/contents/%2Fetc",
        "/api/v1/repos/a/b/contents/x%2F%2Fy",
    ] {
        assert_eq!(refused(raw), PathError::EscapedSlash, "{raw}");
    }
    assert_eq!(refused("/api%2Fv1/version"), PathError::UnknownPlace);
}

#[test]
fn three_dots_stay_legal_in_compare() {
    assert_eq!(forwarded("/api/v1/repos/a/b/compare/main...feature"), "/api/v1/repos/a/b/compare/main...feature");
    assert_eq!(forwarded("/api/v1/repos/a/b/compare/v1..v2"), "/api/v1/repos/a/b/compare/v1..v2");
}

#[test]
fn forgejos_own_downloads_are_let_through() {
    for raw in [
        "/attachments/0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e",
        "/a/b/attachments/0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e",
        "/a/b/releases/download/v1/x.tar.gz",
        "/a/b/archive/main.zip",
        "/a/b/raw/branch/main/README.md",
        "/a/b/media/branch/main/x.png",
    ] {
        assert_eq!(forwarded(raw), raw);
    }
}

#[test]
fn nothing_else_is_let_through() {
    for raw in [
        "/",
        "/api",
        "/api/v1",
        "/API/v1/user",
        "/api/V1/user",
        "/api/v2/user",
        "/api/swagger",
        "/api/forgejo/v1/version",
        "/api/packages/alice/generic/x/1/f",
        "/api/actions_pipeline/_apis/x",
        "/swagger.v1.json",
        "/v2/token",
        "/user/login",
        "/user/settings/applications",
        "/login/oauth/access_token",
        "/login/oauth/authorize",
        "/login/oauth/raw/x",
        "/admin/x/raw/y",
        "/USER/settings/raw/y",
        "/-/admin/archive/x",
        "/metrics",
        "/alice",
        "/alice/priv",
        "/alice/priv/info/refs",
        "/alice/priv.git/info/refs",
        "/alice/priv/git-upload-pack",
        "/alice/priv.git/info/lfs/objects/batch",
        "/alice/priv/settings/hooks",
        "/alice/priv/src/branch/main/x",
        "/alice/priv/archive",
        "/alice/priv/releases",
        "/alice/priv/releases/download/v1",
        "/alice/priv/attachments",
        "/alice/priv/attachments/not-a-uuid",
        "/attachments",
        "/attachments/x",
        "/attachments/0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e/x",
        "/assets/js/index.js",
        "/.well-known/openid-configuration",
        "/alice%2Fpriv/x/raw/y",
    ] {
        assert_eq!(refused(raw), PathError::UnknownPlace, "{raw}");
    }
    assert_eq!(refused("api/v1/user"), PathError::NotAbsolute);
    assert_eq!(refused("*"), PathError::NotAbsolute);
    assert_eq!(refused(""), PathError::NotAbsolute);
}

#[test]
fn other_characters_are_written_in_one_way() {
    assert_eq!(forwarded("/api/v1/users/%40al%3Aice"), "/api/v1/users/@al:ice");
    assert_eq!(forwarded("/api/v1/repos/a/b/contents/ä b.txt"), "/api/v1/repos/a/b/contents/%C3%A4%20b.txt");
    assert_eq!(forwarded("/api/v1/repos/a/b/contents/x%3fy%23z"), "/api/v1/repos/a/b/contents/x%3Fy%23z");
    assert_eq!(forwarded("/api/v1/repos/a/b/contents/a+b"), "/api/v1/repos/a/b/contents/a+b");
}

#[test]
fn raw_content_is_told_from_json() {
    let raw = |path: &str| TargetPath::parse(path).unwrap().is_raw_content();
    assert!(raw("/api/v1/repos/a/b/raw/data.json"));
    assert!(raw("/api/v1/repos/a/b/media/data.json"));
    assert!(raw("/api/v1/repos/a/b/archive/main.zip"));
    assert!(raw("/a/b/raw/branch/main/data.json"));
    assert!(!raw("/api/v1/repos/a/b/releases"));
    assert!(!raw("/api/v1/repos/a/raw/issues"));
    assert!(!raw("/api/v1/user"));
}

/// Text that is likely to hit the rules: pieces of paths, escapes and odd characters in any order.
fn hostile_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("//".to_owned()),
        Just("%2F".to_owned()),
        Just("%2f".to_owned()),
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("%252e".to_owned()),
        Just("\\".to_owned()),
        Just("%5c".to_owned()),
        Just("%70".to_owned()),
        Just("%00".to_owned()),
        Just(";".to_owned()),
        Just("?".to_owned()),
        Just("#".to_owned()),
        "[a-zA-Z0-9._~!$&'()*+,;=:@ %-]{0,6}",
        "\\PC{0,3}",
        prop::sample::select(vec![
            "api", "v1", "repos", "alice", "contents", "raw", "branches", "hooks", "user", "keys", "admin"
        ])
        .prop_map(str::to_owned),
    ];
    let start = prop_oneof![Just("/api/v1/repos/a/b/contents/"), Just("/api/v1/"), Just("/a/b/raw/"), Just("/")];
    (start, prop::collection::vec(piece, 0..12)).prop_map(|(start, pieces)| format!("{start}{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_forwarded_path_has_an_empty_or_a_dot_segment(raw in hostile_path()) {
        if let Ok(path) = TargetPath::parse(&raw) {
            let text = path.as_str();
            prop_assert!(text.starts_with('/') && !text.ends_with('/'));
            let decoded = text.replace("%2F", "/");
            for segment in decoded.split('/').skip(1) {
                prop_assert!(!segment.is_empty() && segment != "." && segment != "..", "{}", text);
            }
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
        }
    }

    #[test]
    fn what_is_forwarded_is_judged_the_same_again(raw in hostile_path()) {
        if let Ok(path) = TargetPath::parse(&raw) {
            let again = TargetPath::parse(path.as_str());
            prop_assert_eq!(again, Ok(path));
        }
    }

    #[test]
    fn a_url_carries_the_forwarded_path_unchanged(raw in hostile_path()) {
        if let Ok(path) = TargetPath::parse(&raw) {
            let mut url = url::Url::parse("http://127.0.0.1:3000/git/").unwrap();
            let wanted = format!("/git{path}");
            url.set_path(&wanted);
            prop_assert_eq!(url.path(), wanted);
        }
    }

    #[test]
    fn any_text_at_all_is_read_without_panic(raw in "\\PC{0,60}") {
        let _ = TargetPath::parse(&raw);
    }
}
