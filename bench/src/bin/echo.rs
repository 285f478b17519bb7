//! The MCP server on stdio that every subject has behind it: one thread, no work of its own, both eras.
//!
//! Tools: `echo` answers its text, `fill` answers so many bytes, `ask` asks the client something first, `fetch` sends GET requests to
//! the Forgejo of its environment and tells what they took. `BENCH_LIST_BYTES` sets the size of `tools/list`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const META: &str = "io.modelcontextprotocol/protocolVersion";
const MODERN: &str = "2026-07-28";
const ANSWERED: &str = r#"{"resultType":"complete","content":[{"type":"text","text":"#;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    name: &'a str,
    #[serde(borrow)]
    arguments: &'a RawValue,
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let list = tools_list();
    let mut input = BufReader::with_capacity(256 * 1024, std::io::stdin().lock());
    let mut output = Vec::with_capacity(256 * 1024);
    let mut line = Vec::new();
    // The id of the call that waits for the client's answer to a question of ours.
    let mut asking: Option<String> = None;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        answer(&line, &list, &mut asking, &mut output);
        // What came together is answered together, as any buffered server does.
        if !input.buffer().contains(&b'\n') && !output.is_empty() {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&output)?;
            stdout.flush()?;
            output.clear();
        }
    }
}

fn answer(line: &[u8], list: &str, asking: &mut Option<String>, out: &mut Vec<u8>) {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(line) else {
        return;
    };
    let Some(id) = message.id.map(RawValue::get) else {
        return;
    };
    let params = message.params.map_or("{}", RawValue::get);
    match message.method {
        // The client's answer to what we asked.
        None => {
            if let Some(call) = asking.take() {
                text(out, &call, "\"thanks\"");
            }
        }
        Some("tools/call") => call(id, params, asking, out),
        Some("tools/list") => reply(out, id, list),
        Some("initialize") => {
            let asked: Value = serde_json::from_str(params).unwrap_or_default();
            let version = asked["protocolVersion"].as_str().unwrap_or("2025-11-25");
            let result = json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "bench-echo", "version": "1"}});
            reply(out, id, &result.to_string());
        }
        Some("server/discover") => {
            let result = json!({"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}}, "ttlMs": 60_000, "cacheScope": "private",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "bench-echo", "version": "1"}}});
            reply(out, id, &result.to_string());
        }
        Some("ping") => reply(out, id, "{}"),
        Some(_) => {
            let _ = writeln!(
                out,
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#
            );
        }
    }
}

fn call(id: &str, params: &str, asking: &mut Option<String>, out: &mut Vec<u8>) {
    let Ok(call) = serde_json::from_str::<Call<'_>>(params) else {
        let _ = writeln!(out, r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"Invalid params"}}}}"#);
        return;
    };
    let arguments = call.arguments.get();
    match call.name {
        "echo" => {
            let echoed = serde_json::from_str::<Echo<'_>>(arguments).map_or("\"\"", |echo| echo.text.get());
            text(out, id, echoed);
        }
        "fill" => {
            let wanted: Value = serde_json::from_str(arguments).unwrap_or_default();
            let bytes = usize::try_from(wanted["bytes"].as_u64().unwrap_or(0)).unwrap_or(0);
            text(out, id, &format!("\"{}\"", "x".repeat(bytes)));
        }
        "ask" if params.contains(META) => {
            let result = if params.contains("\"inputResponses\"") {
                json!({"resultType": "complete", "content": [{"type": "text", "text": "thanks"}]})
            } else {
                json!({"resultType": "input_required", "inputRequests": {"name": {"method": "elicitation/create", "params": question()}}})
            };
            reply(out, id, &result.to_string());
        }
        "ask" => {
            *asking = Some(id.to_owned());
            let _ = writeln!(
                out,
                "{}",
                json!({"jsonrpc": "2.0", "id": 1_000_000_u32, "method": "elicitation/create", "params": question()})
            );
        }
        "fetch" => {
            let wanted: Value = serde_json::from_str(arguments).unwrap_or_default();
            let (path, times) = (wanted["path"].as_str().unwrap_or("/"), wanted["times"].as_u64().unwrap_or(1));
            let told = fetch(path, times).unwrap_or_else(|error| format!("failed: {error}"));
            text(out, id, &Value::from(told).to_string());
        }
        other => text(out, id, &Value::from(format!("no tool {other}")).to_string()),
    }
}

fn question() -> Value {
    json!({"message": "Your name?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}})
}

fn reply(out: &mut Vec<u8>, id: &str, result: &str) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(result.as_bytes());
    out.extend_from_slice(b"}\n");
}

fn text(out: &mut Vec<u8>, id: &str, json: &str) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(ANSWERED.as_bytes());
    out.extend_from_slice(json.as_bytes());
    out.extend_from_slice(b"}]}}\n");
}

fn tools_list() -> String {
    let wanted = std::env::var("BENCH_LIST_BYTES").ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let tool = |name: String, about: &str| json!({"name": name, "description": about, "inputSchema": {"type": "object", "properties": {"text": {"type": "string", "description": "What to say"}}}});
    let mut tools: Vec<Value> =
        ["echo", "fill", "ask", "fetch"].map(|name| tool(name.to_owned(), "A tool of the benchmark")).into();
    let mut bytes = 0;
    while bytes < wanted {
        let next = tool(
            format!("tool_{}", tools.len()),
            "Lists the issues of a repository, newest first, with state, labels and milestone as filters; a page has 30 of them",
        );
        bytes += next.to_string().len() + 1;
        tools.push(next);
    }
    json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "private", "tools": tools}).to_string()
}

/// `times` GET requests on one connection; their nanoseconds and the bytes of the last body, separated by blanks.
fn fetch(path: &str, times: u64) -> Result<String, Box<dyn std::error::Error>> {
    let url = std::env::var("FORGEJO_URL")?;
    let token = std::env::var("FORGEJO_ACCESS_TOKEN")?;
    let host = url.strip_prefix("http://").ok_or("no http address")?.trim_end_matches('/');
    let mut connection = BufReader::with_capacity(256 * 1024, TcpStream::connect(host)?);
    connection.get_ref().set_nodelay(true)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: token {token}\r\nAccept: */*\r\n\r\n");
    let mut told = Vec::new();
    let mut body = 0;
    for _ in 0..times {
        let began = Instant::now();
        connection.get_mut().write_all(request.as_bytes())?;
        body = one_answer(&mut connection)?;
        told.push(began.elapsed().as_nanos().to_string());
    }
    told.push(body.to_string());
    Ok(told.join(" "))
}

/// Reads an answer to its end and tells the bytes of its body.
fn one_answer(from: &mut impl BufRead) -> Result<u64, Box<dyn std::error::Error>> {
    let mut length = None;
    let mut line = String::new();
    from.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(line.into());
    }
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = Some(value.trim().parse::<u64>()?);
        }
    }
    if let Some(length) = length {
        return Ok(std::io::copy(&mut from.take(length), &mut std::io::sink())?);
    }
    let mut total = 0;
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim_end(), 16)?;
        total += std::io::copy(&mut from.take(size), &mut std::io::sink())?;
        line.clear();
        from.read_line(&mut line)?;
        if size == 0 {
            return Ok(total);
        }
    }
}
