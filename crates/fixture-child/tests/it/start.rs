//! What happens before the first message (forgejo.md §2.3).

use crate::child::{start, start_with_token};
use crate::forgejo::Forgejo;

#[test]
fn a_2_18_0_start_asks_for_version_and_user_with_the_token() {
    let forgejo = Forgejo::start();
    let mut child = start(&forgejo.url, &["--habits", "2.18.0"]);
    child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(forgejo.lines(), ["GET /api/v1/version", "GET /api/v1/user"]);
    for request in forgejo.seen() {
        assert!(request.headers.contains(&"authorization: token good".to_owned()), "{request:?}");
        assert!(request.headers.contains(&"user-agent: forgejo-mcp/2.18.0".to_owned()), "{request:?}");
    }
}

#[test]
fn a_2_34_1_start_asks_for_the_version_twice() {
    let forgejo = Forgejo::start();
    let mut child = start(&forgejo.url, &["--habits", "2.34.1"]);
    child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(forgejo.lines(), ["GET /api/v1/version", "GET /api/v1/version"]);
}

#[test]
fn a_bad_token_ends_the_start_with_status_1_a_stack_trace_and_an_empty_stdout() {
    let forgejo = Forgejo::start();
    for habits in ["2.18.0", "2.34.1"] {
        let mut child = start_with_token(&forgejo.url, "bad", &["--habits", habits]);
        assert_eq!(child.rest(), "");
        let stderr = child.stderr();
        assert!(stderr.contains("user does not exist [uid: 0, name: ]"), "{stderr}");
        assert!(stderr.contains("runtime.main\n\truntime/proc.go:290"), "{stderr}");
        assert_eq!(child.wait().code(), Some(1));
    }
}

#[test]
fn an_unreachable_forgejo_ends_the_start_in_the_words_of_go() {
    let mut child = start("http://127.0.0.1:1", &[]);
    let stderr = child.stderr();
    assert!(
        stderr
            .contains(r#"Get "http://127.0.0.1:1/api/v1/version": dial tcp 127.0.0.1:1: connect: connection refused"#),
        "{stderr}"
    );
    assert_eq!(child.wait().code(), Some(1));
}

#[test]
fn no_address_and_a_strange_address_end_the_start_with_status_1() {
    for url in ["", "ftp://forge.example", "nonsense"] {
        let mut child = start(url, &[]);
        assert_eq!(child.rest(), "", "{url}");
        assert_eq!(child.wait().code(), Some(1), "{url}");
    }
}

#[test]
fn without_a_token_the_start_is_anonymous_and_succeeds() {
    let forgejo = Forgejo::start();
    let mut child = start_with_token(&forgejo.url, "", &[]);
    assert_eq!(child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)["result"], serde_json::json!({}));
    assert!(
        forgejo.seen().iter().flat_map(|request| &request.headers).all(|header| !header.starts_with("authorization"))
    );
}

#[test]
fn a_token_that_may_not_read_the_user_stops_2_18_0_only() {
    let forgejo = Forgejo::with(|request| match request.line.as_str() {
        "GET /api/v1/version" => (200, r#"{"version":"11.0.15"}"#.into()),
        _ => (403, r#"{"message":"token does not have at least one of required scope(s): [read:user]"}"#.into()),
    });
    assert_eq!(start(&forgejo.url, &["--habits", "2.18.0"]).wait().code(), Some(1));
    let mut newer = start(&forgejo.url, &["--habits", "2.34.1"]);
    assert_eq!(newer.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)["id"], 1);
}

#[test]
fn a_mute_server_holds_the_start_until_sigterm_kills_it() {
    use std::os::unix::process::ExitStatusExt;
    let forgejo = Forgejo::mute();
    let mut child = start(&forgejo.url, &[]);
    child.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    while forgejo.seen().is_empty() {
        assert!(child.is_running());
        std::thread::yield_now();
    }
    child.signal("TERM");
    assert_eq!(child.wait().signal(), Some(15));
    assert_eq!(child.rest(), "");
}

#[test]
fn a_start_can_be_told_to_fail_or_to_skip_the_probes() {
    assert_eq!(start("http://127.0.0.1:1", &["--start-exit", "7"]).wait().code(), Some(7));
    let mut child = start("http://127.0.0.1:1", &["--no-probes"]);
    assert_eq!(child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)["id"], 1);
}

#[test]
fn a_forgejo_below_a_path_is_asked_there() {
    let forgejo = Forgejo::with(|_| (200, "{}".into()));
    let mut child = start(&format!("{}/git/", forgejo.url), &[]);
    child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(forgejo.lines(), ["GET /git/api/v1/version", "GET /git/api/v1/user"]);
}
