//! The envelope as mcp-go reads and writes it: every pair below was seen on the real programs.

use crate::child::{start, start_program};
use crate::forgejo::Forgejo;

const OFFLINE: &str = "http://127.0.0.1:1";

/// Both releases answered so (measured).
const SEEN: &[(&str, &str)] = &[
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
    ("", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#),
    ("{bad", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#),
    (
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Failed to parse message"}}"#,
    ),
    (r#""x""#, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Failed to parse message"}}"#),
    ("null", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid JSON-RPC version"}}"#),
    (
        r#"{"jsonrpc":"2.0","id":1152921504606846976,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1152921504606847000,"result":{}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":9007199254740992,"result":{}}"#,
    ),
    (r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1000,"result":{}}"#),
    (r#"{"jsonrpc":"2.0","id":1e21,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1e+21,"result":{}}"#),
    (r#"{"jsonrpc":"2.0","id":0.0000001,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1e-7,"result":{}}"#),
    (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":true,"result":{}}"#),
    (r#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":{"a":1},"result":{}}"#),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":\"a<b>&é\",\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u003cb\\u003e\\u0026é\",\"result\":{}}",
    ),
    (
        r#"{"jsonrpc":"1.0","id":11,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":11,"error":{"code":-32600,"message":"Invalid JSON-RPC version"}}"#,
    ),
    (
        r#"{"id":12,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":12,"error":{"code":-32600,"message":"Invalid JSON-RPC version"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":13}"#,
        r#"{"jsonrpc":"2.0","id":13,"error":{"code":-32601,"message":"Method  not found"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":14,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Failed to parse message"}}"#,
    ),
    (r#"{"JSONRPC":"2.0","ID":16,"METHOD":"ping"}"#, r#"{"jsonrpc":"2.0","id":16,"result":{}}"#),
    (r#"{"jſonrpc":"2.0","id":8,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":8,"result":{}}"#),
    (r#"{"jsonrpc":"2.0","id":13,"id":14,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":14,"result":{}}"#),
    (
        r#"{"jsonrpc":"2.0","id":17,"method":"ping","Method":"tools/call","params":{"name":"nope","NAME":"other"}}"#,
        r#"{"jsonrpc":"2.0","id":17,"error":{"code":-32602,"message":"tool 'other' not found: tool not found"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/list2"}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method tools/list2 not found"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":29,"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":29,"error":{"code":-32602,"message":"tool '' not found: tool not found"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":30,"method":"tools/list","params":{"cursor":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":30,"error":{"code":-32602,"message":"illegal base64 data at input byte 0"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":12,"method":"logging/setLevel","params":{"level":"info"}}"#,
        r#"{"jsonrpc":"2.0","id":12,"error":{"code":-32603,"message":"session not properly initialized"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":4,"method":"server/discover"}"#,
        r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"Method server/discover not found"}}"#,
    ),
    (r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#, "{\"jsonrpc\":\"2.0\",\"id\":\"\u{fffd}\",\"result\":{}}"),
    (
        r#"{"jsonrpc":"2.0","id":16,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":16,"error":{"code":-32600,"message":"unparsable ping request: json: cannot unmarshal array into Go struct field PingRequest.Request.params of type mcp.RequestParams"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":18,"method":"initialize","params":{"protocolVersion":5}}"#,
        r#"{"jsonrpc":"2.0","id":18,"error":{"code":-32600,"message":"unparsable initialize request: json: cannot unmarshal number into Go struct field InitializeParams.params.protocolVersion of type string"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":32,"method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","id":32,"error":{"code":-32601,"message":"Method notifications/cancelled not found"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":20,"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":20,"error":{"code":-32601,"message":"Method  not found"}}"#,
    ),
];

#[test]
fn each_line_is_answered_as_the_real_programs_answered_it() {
    for habits in ["2.18.0", "2.34.1"] {
        let mut child = start(OFFLINE, &["--no-probes", "--habits", habits]);
        for (given, expected) in SEEN {
            child.send(given);
            assert_eq!(child.line(), *expected, "{habits} {given}");
        }
    }
}

#[test]
fn repeated_params_of_a_call_are_merged_by_the_older_release_only() {
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"arguments":{"a":1}}}"#;
    let mut old = start(OFFLINE, &["--no-probes", "--habits", "2.18.0"]);
    assert_eq!(old.ask(call)["result"]["structuredContent"]["a"], 1);
    let mut new = start(OFFLINE, &["--no-probes", "--habits", "2.34.1"]);
    assert_eq!(new.ask(call)["error"]["message"], "tool '' not found: tool not found");
}

/// Keeps the table honest wherever the Go program is at hand: `FORGEJO_MCP_BINARY` is a colon list of paths.
#[test]
fn the_real_programs_still_answer_so_where_they_are_present() {
    let programs = std::env::var("FORGEJO_MCP_BINARY").unwrap_or_default();
    let forgejo = Forgejo::start();
    for program in programs.split(':').filter(|path| !path.is_empty()) {
        let mut child = start_program(program, &forgejo.url, "good", &[]);
        for (given, expected) in SEEN {
            child.send(given);
            assert_eq!(child.line(), *expected, "{program} {given}");
        }
    }
    if programs.is_empty() {
        println!("skipped: FORGEJO_MCP_BINARY names no program");
    }
}

#[test]
fn notifications_and_stray_answers_are_met_with_silence() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    for silent in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/nonsense"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":18,"result":{}}"#,
    ] {
        child.send(silent);
    }
    assert_eq!(child.ask(r#"{"jsonrpc":"2.0","id":99,"method":"ping"}"#)["id"], 99);
}

#[test]
fn ids_can_be_kept_exact() {
    let mut child = start(OFFLINE, &["--no-probes", "--exact-ids"]);
    child.send(r#"{"jsonrpc":"2.0","id":1152921504606846976,"method":"ping"}"#);
    assert_eq!(child.line(), r#"{"jsonrpc":"2.0","id":1152921504606846976,"result":{}}"#);
}

#[test]
fn a_line_of_twelve_mebibytes_is_read() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    let long = "x".repeat(12 * 1024 * 1024);
    let answer = child.ask(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"pad":"{long}"}}}}"#));
    assert_eq!(answer["id"], 1);
}
