//! Client metadata documents with their address and their caching headers, registrations, and keys of clients.
#![no_main]

use oauth::client_assertion::{ClientAssertion, KeySet};
use oauth::client_document::{self, CacheHeaders, DocumentUrl, MAX_LIFETIME, MIN_LIFETIME};
use oauth::redirect_uri::{AllowList, RedirectUri};
use oauth::registration;

const URL: &str = "https://client.example/oauth/client.json";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let allowed = AllowList::new(Vec::new());
    let url = DocumentUrl::parse(URL).expect("a plain address");
    if let Ok(document) = client_document::judge(&url, input, &allowed) {
        let uris = &document.metadata.redirect_uris;
        assert!(!uris.is_empty() && uris.iter().all(|uri| RedirectUri::parse(uri, &allowed).is_ok()));
    }
    if let Ok(metadata) = registration::judge(input, &allowed) {
        let uris = &metadata.redirect_uris;
        assert!(!uris.is_empty() && uris.iter().all(|uri| RedirectUri::parse(uri, &allowed).is_ok()));
    }
    let _ = KeySet::read(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = ClientAssertion::read(text);
    let _ = client_document::judge_media_type(Some(text));
    let headers = CacheHeaders {
        cache_control: vec![text.to_owned()],
        age: Some(text.to_owned()),
        expires: Some(text.to_owned()),
        date: Some(text.to_owned()),
    };
    assert!((MIN_LIFETIME..=MAX_LIFETIME).contains(&headers.lifetime()));
    if let Ok(url) = DocumentUrl::parse(text) {
        // What is compared as the client's id is what is fetched.
        assert_eq!(url.as_str(), text);
        let parsed = url::Url::parse(text).expect("an accepted address is a URL");
        assert_eq!(parsed.as_str(), text);
        assert!(parsed.username().is_empty() && parsed.password().is_none() && parsed.fragment().is_none());
    }
});
