//! What a client posts and what a worker prints: read, spliced, read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bridge::fuzzing::envelope(input));
