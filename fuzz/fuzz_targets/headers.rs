//! Headers: those of a worker's request and of Forgejo's answer at the gateway, and those by which a client repeats what its message says.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    forgejo::gateway::fuzzing::headers(&headers);
    bridge::fuzzing::mirrored(input);
});
