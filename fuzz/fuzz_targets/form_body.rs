//! Form bodies: those of our token, revocation and authorization endpoints, and those that a worker sends to Forgejo.
#![no_main]

use forgejo::gateway::{Boundary, Scanner, identity_field, rebuild_query};
use oauth::authorize::Parameters;
use oauth::token_request::{RevocationRequest, TokenRequest};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let pairs = || url::form_urlencoded::parse(input);
    let basic = std::str::from_utf8(input).ok();
    for authorization in [None, basic] {
        let _ = TokenRequest::read(pairs(), authorization);
        let _ = RevocationRequest::read(pairs(), authorization);
    }
    let _ = Parameters::from_pairs(pairs()).client_id();

    // The gateway: what it lets through as a form has no field by which Forgejo takes another identity, whoever reads it.
    const TAKEN: [&str; 3] = ["sudo", "token", "access_token"];
    let taken = |name: &str| TAKEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden));
    if identity_field(input).is_none() {
        assert!(!pairs().any(|(name, _)| taken(&name)), "a form");
    }
    if let Some(query) = basic.and_then(|text| rebuild_query(Some(text))) {
        let read = url::form_urlencoded::parse(query.as_bytes());
        assert!(!read.into_iter().any(|(name, _)| taken(&name)), "{query}");
        assert_eq!(rebuild_query(Some(&query)).as_deref(), Some(&*query), "written anew it stays the same");
    }
    multipart(input);
});

/// The same verdict and the same bytes, however the body is cut into pieces.
fn multipart(input: &[u8]) {
    let Some(boundary) = Boundary::from_content_type("multipart/form-data; boundary=b") else { return };
    let whole = scan(&boundary, &[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    let halves: Vec<&[u8]> = input.chunks(input.len() / 2 + 1).collect();
    assert_eq!(scan(&boundary, &bytes), whole);
    assert_eq!(scan(&boundary, &halves), whole);
    if let Some(passed) = whole {
        assert_eq!(passed, input, "what passes is what came");
    }
}

fn scan(boundary: &Boundary, pieces: &[&[u8]]) -> Option<Vec<u8>> {
    let mut scanner = Scanner::new(boundary);
    let mut passed = Vec::new();
    for piece in pieces {
        passed.extend_from_slice(&scanner.push(piece).ok()?);
    }
    passed.extend_from_slice(&scanner.finish().ok()?);
    Some(passed)
}
