//! A worker's stdout, in pieces of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bridge::fuzzing::frames(input));
