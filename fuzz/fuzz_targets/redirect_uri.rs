//! Redirect URIs: what a registration accepts, and which requests it then admits.
#![no_main]

use oauth::redirect_uri::{AllowList, RedirectUri};

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (registered, requested) = input;
    let allowed = AllowList::new(vec!["cursor://anysphere.cursor-mcp/oauth/callback".to_owned()]);
    let Ok(uri) = RedirectUri::parse(registered, &allowed) else { return };
    // What is written is what is judged, and it admits itself.
    assert!(RedirectUri::parse(uri.as_str(), &allowed).is_ok_and(|again| again == uri), "{registered:?}");
    assert!(uri.admits(uri.as_str()), "{registered:?}");
    let lower = uri.as_str().to_ascii_lowercase();
    assert!(!["javascript:", "data:", "file:", "vbscript:"].iter().any(|scheme| lower.starts_with(scheme)));
    assert!(uri.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{registered:?}");
    let parsed = url::Url::parse(uri.as_str()).expect("an accepted URI is a URL");
    assert!(parsed.username().is_empty() && parsed.password().is_none() && parsed.fragment().is_none());
    if uri.admits(requested) {
        // A request may name another loopback port, and nothing else that is different.
        let other = url::Url::parse(requested).expect("an admitted URI is a URL");
        assert_eq!((parsed.scheme(), parsed.host_str(), parsed.path(), parsed.query()),
            (other.scheme(), other.host_str(), other.path(), other.query()), "{registered:?} {requested:?}");
        assert!(other.username().is_empty() && other.password().is_none() && other.fragment().is_none());
    }
    let sent = uri.with_query(&[("code", requested), ("iss", "https://broker.example")]);
    let sent = url::Url::parse(&sent).expect("an answer goes to a URL");
    assert_eq!((sent.scheme(), sent.host_str(), sent.port(), sent.path()),
        (parsed.scheme(), parsed.host_str(), parsed.port(), parsed.path()), "{registered:?}");
});
