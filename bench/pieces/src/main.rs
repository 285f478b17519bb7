//! Runs one piece of the hot path so many times: `pieces NAME TIMES`. `pieces processor` says what the processor can do that makes libraries
//! take other ways.
//!
//! `scripts/instructions.sh` counts under valgrind what is executed within [`counted`]. The program's start and what a first time does are
//! outside of it: a random generator's first seed, for one, takes a number of instructions that depends on time. Within it nothing may depend
//! on time or on a random number; where a hash table's seed does, so many keys are used that it makes no difference.
#![forbid(unsafe_code)]

mod call;

use std::hint::black_box;
use std::io::Write as _;

use anyhow::{Result, bail};
use bridge::pieces::{self, Scrub};
use bytes::Bytes;
use oauth::token::TokenHash;
use quick_cache::sync::Cache;

/// Lines that are read at a time.
const LINES: usize = 100;
/// A client's call, of 260 bytes.
pub(crate) const REQUEST: &str = concat!(
    r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search_issues","arguments":{"owner":"alice","repo":"garden","query":"#,
    r#""the quick brown fox jumps over the lazy dog, and the lazy dog lets it","state":"open","page":1,"limit":30,"labels":["bug","ui"]}}}"#
);
/// The same as a modern client sends it.
const MODERN: &str = concat!(
    r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search_issues","arguments":{"owner":"alice","query":"the quick brown fox"},"#,
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}"#
);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    if name == "processor" {
        return writeln!(std::io::stdout(), "{}", processor()).map_err(Into::into);
    }
    let Some(times) = arguments.next() else { bail!("pieces NAME TIMES") };
    let times: usize = times.parse()?;
    match name.as_str() {
        "request" => repeat(times, &Bytes::from_static(REQUEST.as_bytes()), pieces::request),
        "request_modern" => repeat(times, &Bytes::from_static(MODERN.as_bytes()), pieces::request),
        "answer" => repeat(times, &answer(300), pieces::answer),
        "answer_34k" => repeat(times, &list(34_000), pieces::answer),
        "scrub" => {
            let scrub = Scrub::new();
            repeat(times, &answer(300), |line| scrub.line(line));
        }
        "scrub_34k" => {
            let scrub = Scrub::new();
            repeat(times, &list(34_000), |line| scrub.line(line));
        }
        "lines" => {
            let printed = [&answer(300)[..], b"\n"].concat().repeat(LINES);
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            repeat(times / LINES, &printed.into(), |printed| runtime.block_on(pieces::lines(printed)));
        }
        "bearer" => bearer(times),
        "call" => call::repeat(times)?,
        other => bail!("no piece {other}"),
    }
    Ok(())
}

/// What is counted: whatever is called by this function, which is called once.
#[inline(never)]
pub(crate) fn counted<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

fn repeat(times: usize, with: &Bytes, piece: impl Fn(&Bytes) -> usize) {
    black_box(piece(with));
    counted(|| {
        for _ in 0..times {
            black_box(piece(black_box(with)));
        }
    });
}

/// A token's hash, and its place in a cache of many.
fn bearer(times: usize) {
    let cache: Cache<TokenHash, usize> = Cache::new(50_000);
    let tokens: Vec<String> = (0..1000).map(|number| format!("fjb_at_{number:043}")).collect();
    for (number, token) in tokens.iter().enumerate() {
        cache.insert(TokenHash::of(token), number);
    }
    counted(|| {
        for token in tokens.iter().cycle().take(times) {
            black_box(cache.get(&TokenHash::of(black_box(token))));
        }
    });
}

/// The features by which the C library and others choose among several implementations, as this program sees them.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("aes", is_x86_feature_detected!("aes")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("sha", is_x86_feature_detected!("sha")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let features = [("unknown", true)];
    let present: Vec<&str> = features.into_iter().filter_map(|(name, present)| present.then_some(name)).collect();
    present.join(" ")
}

/// A worker's answer of about so many bytes.
fn answer(bytes: usize) -> Bytes {
    let text = "All is well. ".repeat(bytes / 13);
    format!(r#"{{"jsonrpc":"2.0","id":17,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#).into()
}

/// A worker's list of tools of about so many bytes.
fn list(bytes: usize) -> Bytes {
    let tool = r#"{"name":"list_repo_issues","description":"List the issues of a repository","inputSchema":{"type":"object","properties":{"owner":{"type":"string","description":"Owner"},"repo":{"type":"string","description":"Name"}},"required":["owner","repo"]}}"#;
    let tools = vec![tool; bytes / tool.len()].join(",");
    format!(r#"{{"jsonrpc":"2.0","id":17,"result":{{"tools":[{tools}]}}}}"#).into()
}
