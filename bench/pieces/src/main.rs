//! Runs one piece of the hot path so many times: `pieces NAME TIMES`.
//!
//! `scripts/instructions.sh` counts its instructions under valgrind for two numbers of times; what a single time costs is the difference,
//! so that the start and the end of the program are in neither.
#![forbid(unsafe_code)]

mod call;

use std::hint::black_box;

use anyhow::{Result, bail};
use bridge::pieces::{self, Scrub};
use bytes::Bytes;
use oauth::token::TokenHash;
use quick_cache::sync::Cache;

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
    let (Some(name), Some(times)) = (arguments.next(), arguments.next()) else { bail!("pieces NAME TIMES") };
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
            let printed = [&answer(300)[..], b"\n"].concat().repeat(100);
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            repeat(times / 100, &printed.into(), |printed| runtime.block_on(pieces::lines(printed)));
        }
        "bearer" => bearer(times),
        "call" => call::repeat(times)?,
        other => bail!("no piece {other}"),
    }
    Ok(())
}

fn repeat(times: usize, with: &Bytes, piece: impl Fn(&Bytes) -> usize) {
    for _ in 0..times {
        black_box(piece(black_box(with)));
    }
}

/// A token's hash, and its place in a cache of many.
fn bearer(times: usize) {
    let cache: Cache<TokenHash, usize> = Cache::new(50_000);
    let token = |number: usize| format!("fjb_at_{number:043}");
    for number in 0..1000 {
        cache.insert(TokenHash::of(&token(number)), number);
    }
    let known = token(500);
    for _ in 0..times {
        black_box(cache.get(&TokenHash::of(black_box(&known))));
    }
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
