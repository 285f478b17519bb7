//! Paths of a worker's requests: what is forwarded reads the same the second time, and no door opens by spelling.
#![no_main]

use forgejo::gateway::{DoorGroups, GrantAccess, GrantTerms, TargetPath, judge};
use http::Method;

libfuzzer_sys::fuzz_target!(|input: &str| {
    let Ok(path) = TargetPath::parse(input) else { return };
    let text = path.as_str();
    // Forgejo reads the same segments in what is forwarded as the judge did, and a URL carries it unaltered.
    assert_eq!(TargetPath::parse(text).as_ref(), Ok(&path), "{input:?}");
    let mut url = url::Url::parse("http://forgejo.example/").expect("a base");
    url.set_path(text);
    assert!(!text.contains("//") && !text.contains('\\') && text.is_ascii(), "{input:?} became {text:?}");
    if url.path() != text {
        // Then it is refused as ambiguous, before anything is sent.
        return;
    }
    let decoded = text.to_ascii_lowercase();
    let doors = DoorGroups::default();
    for method in [Method::GET, Method::DELETE] {
        let verdict = judge(&method, &path, &GrantTerms::everywhere(GrantAccess::ReadWrite), doors);
        if verdict.is_ok() {
            assert!(!decoded.starts_with("/api/v1/admin/") && decoded != "/api/v1/admin", "{input:?}");
            assert!(text.split('/').all(|part| part != "." && part != ".."), "{input:?}");
        }
    }
    assert!(judge(&Method::DELETE, &path, &GrantTerms::everywhere(GrantAccess::ReadOnly), doors).is_err(), "{input:?}");
});
