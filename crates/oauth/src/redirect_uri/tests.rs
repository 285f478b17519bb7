use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<RedirectUri, InvalidRedirectUri> {
    RedirectUri::parse(text, &AllowList::default())
}

#[test]
fn the_callbacks_of_the_known_clients_are_accepted() {
    // clients.md §2
    for uri in [
        "https://claude.ai/api/mcp/auth_callback",
        "https://claude.com/api/mcp/auth_callback",
        "http://localhost:3118/callback",
        "http://localhost/callback",
        "http://127.0.0.1/callback",
        "https://chatgpt.com/connector/oauth/abc",
        "https://chatgpt.com/connector_platform_oauth_redirect",
        "http://127.0.0.1:1455/callback/xyz",
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
        "http://127.0.0.1:33418",
        "http://localhost:3335/oauth/callback",
        "http://localhost:7777/oauth/callback",
        "https://chat.example.org/api/mcp/forgejo/oauth/callback",
        "https://webui.example.org/oauth/clients/mcp:forgejo/callback",
        "https://antigravity.google/oauth-callback",
        "http://[::1]:8080/callback",
        "com.example.app:/oauth",
        "com.example.app://callback",
    ] {
        assert!(parse(uri).is_ok(), "{uri}: {:?}", parse(uri));
    }
}

#[test]
fn what_a_browser_would_run_or_read_is_never_accepted_even_if_listed() {
    for uri in
        ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "JavaScript:alert(1)", "blob:https://a/b"]
    {
        let list = AllowList::new(vec![uri.to_owned()]);
        assert!(matches!(RedirectUri::parse(uri, &list), Err(InvalidRedirectUri::Scheme(_))), "{uri}");
    }
}

#[test]
fn a_scheme_without_a_dot_is_accepted_only_as_a_whole_uri_of_the_operators_list() {
    let cursor = "cursor://anysphere.cursor-mcp/oauth/callback";
    assert!(matches!(parse(cursor), Err(InvalidRedirectUri::Scheme(_))));
    let list = AllowList::new(vec![cursor.to_owned()]);
    assert!(RedirectUri::parse(cursor, &list).is_ok());
    assert!(RedirectUri::parse("cursor://anysphere.cursor-mcp/other", &list).is_err());
}

#[test]
fn tricks_that_hide_the_host_are_refused() {
    for uri in [
        "https://good.example@evil.example/cb",
        "https://@evil.example/cb",
        "https://good.example\\@evil.example/cb",
        "https://evil.example/cb#frag",
        "https://evil.example/cb#",
        "https://exämple.org/cb",
        "https://evil.example/a b",
        "https://evil.example/\u{7f}",
        "http://127.1/cb",
        "http://0x7f.0.0.1/cb",
        "http://2130706433/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.2/cb",
        "https:evil.example/cb",
        "https:///evil.example/cb",
        "https://EVIL.example/cb",
        "https://evil.example/a/../b",
        "https://evil.example/a/%2e%2e/b",
        "//evil.example/cb",
        "",
    ] {
        assert!(parse(uri).is_err(), "{uri}");
    }
}

#[test]
fn a_loopback_uri_admits_any_port_but_no_other_host_path_or_query() {
    let registered = parse("http://localhost/callback").unwrap();
    assert!(registered.admits("http://localhost:49152/callback"));
    assert!(!registered.admits("http://127.0.0.1:49152/callback"));
    assert!(!registered.admits("http://localhost:49152/other"));
    assert!(!registered.admits("http://localhost:49152/callback?x=1"));
    assert!(!registered.admits("https://localhost:49152/callback"));
    let vscode = parse("http://127.0.0.1:33418/").unwrap();
    assert!(vscode.admits("http://127.0.0.1:50000"));
}

#[test]
fn a_web_uri_admits_only_itself() {
    let registered = parse("https://claude.ai/api/mcp/auth_callback").unwrap();
    assert!(registered.admits("https://claude.ai/api/mcp/auth_callback"));
    for other in [
        "https://claude.ai:8443/api/mcp/auth_callback",
        "https://claude.ai/api/mcp/auth_callback/",
        "https://claude.ai/api/mcp/auth_callback?x=1",
        "https://evil.claude.ai/api/mcp/auth_callback",
    ] {
        assert!(!registered.admits(other), "{other}");
    }
}

#[test]
fn an_absent_redirect_uri_is_admitted_only_if_one_is_registered() {
    let one = parse("https://a.example/cb").unwrap();
    let two = parse("https://b.example/cb").unwrap();
    assert_eq!(RedirectUri::select(std::slice::from_ref(&one), None), Some(one.clone()));
    assert_eq!(RedirectUri::select(&[one, two], None), None);
}

#[test]
fn answers_are_added_to_a_query_that_is_already_there() {
    let uri = parse("https://a.example/cb?x=1").unwrap();
    assert_eq!(uri.with_query(&[("state", "a b")]), "https://a.example/cb?x=1&state=a+b");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_accepts_is_what_a_browser_would_open(text in ".*") {
        if let Ok(uri) = parse(&text) {
            let url = Url::parse(uri.as_str()).unwrap();
            prop_assert!(url.fragment().is_none() && url.username().is_empty());
            prop_assert!(uri.as_str().is_ascii());
        }
    }

    #[test]
    fn an_accepted_uri_admits_itself_and_survives_another_parse(host in "[a-z]{1,9}\\.[a-z]{2,5}", path in "(/[a-z0-9_-]{1,8}){0,3}") {
        let text = format!("https://{host}{path}");
        let uri = parse(&text).unwrap();
        prop_assert!(uri.admits(&text));
        prop_assert_eq!(parse(uri.as_str()).unwrap(), uri);
    }
}
