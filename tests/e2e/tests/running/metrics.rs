//! `/metrics`: on its own listener, with the documented names, after what was really done.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, free_port, http_client};
use e2e::children::fixture;
use e2e::mcp::request;
use e2e::stack::{Stack, until_ok};
use forgejo_sim::SimConfig;
use reqwest::StatusCode;
use serde_json::json;

/// A stack whose metrics are at the address that comes with it.
async fn measured() -> Result<(Stack, String)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let settings = Settings::default().with("METRICS_LISTEN", &address);
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    Ok((stack, format!("http://{address}/metrics")))
}

async fn scrape(address: &str) -> Result<String> {
    let response = http_client()?.get(address).send().await?;
    ensure!(response.status() == StatusCode::OK, "{}", response.status());
    Ok(response.text().await?)
}

/// The value of a series as it is written, labels included; 0 if it is not there.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_call_is_seen_in_every_part_of_its_way() -> Result<()> {
    let (stack, address) = measured().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let whoami = fixture("2.18.0")?.words.whoami("alice");
    mcp.call_text(whoami.tool, &whoami.arguments).await?;
    mcp.post(&request(&json!(7), "tools/list", &json!({}))).await?;

    let text = scrape(&address).await?;
    for (series, least) in [
        ("fjmcp_http_requests_total{route=\"/mcp\",method=\"POST\",status=\"200\"}", 3.0),
        ("fjmcp_http_request_duration_seconds_count{route=\"/mcp\"}", 3.0),
        ("fjmcp_http_requests_total{route=\"/oauth/token\",method=\"POST\",status=\"200\"}", 1.0),
        ("fjmcp_mcp_requests_total{era=\"legacy\",client=\"other\"}", 3.0),
        ("fjmcp_call_duration_seconds_count{part=\"worker\"}", 2.0),
        ("fjmcp_call_duration_seconds_count{part=\"broker\"}", 2.0),
        ("fjmcp_forgejo_request_duration_seconds_count{class=\"read\"}", 1.0),
        ("fjmcp_gateway_requests_total{class=\"read\",outcome=\"2xx\"}", 1.0),
        ("fjmcp_sessions{state=\"live\"}", 1.0),
        ("fjmcp_session_events_total{event=\"created\"}", 1.0),
        ("fjmcp_workers", 1.0),
        ("fjmcp_worker_starts_total{outcome=\"started\"}", 1.0),
        ("fjmcp_tokens_issued_total{grant_type=\"authorization_code\"}", 1.0),
        ("fjmcp_audit_events_total{event=\"login\"}", 1.0),
        ("fjmcp_ready{part=\"forgejo\"}", 1.0),
        ("fjmcp_ready{part=\"worker\"}", 1.0),
        ("process_resident_memory_bytes", 1e6),
    ] {
        ensure!(value(&text, series) >= least, "{series} is less than {least} in\n{text}");
    }
    ensure!(value(&text, "fjmcp_sessions{state=\"hibernated\"}") < 0.5, "{text}");
    Ok(())
}

#[tokio::test]
async fn refusals_and_limits_are_counted_by_reason() -> Result<()> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let settings = Settings::default().with("METRICS_LISTEN", &address).with("RATE_LIMIT_REGISTER", "1/h");
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let address = format!("http://{address}/metrics");
    let http = http_client()?;
    let url = &stack.broker.url;
    http.post(format!("{url}/mcp")).body("{}").send().await?;
    http.post(format!("{url}/mcp")).bearer_auth("fjb_at_wrong").body("{}").send().await?;
    let form = [("grant_type", "authorization_code"), ("code", "wrong")];
    http.post(format!("{url}/oauth/token")).form(&form).send().await?;
    for _ in 0..2 {
        http.post(format!("{url}/oauth/register"))
            .json(&json!({"redirect_uris": ["https://c.example/"]}))
            .send()
            .await?;
    }
    let text = scrape(&address).await?;
    for series in [
        "fjmcp_bearer_refusals_total{reason=\"missing\"}",
        "fjmcp_bearer_refusals_total{reason=\"unknown\"}",
        "fjmcp_limit_hits_total{limit=\"rate-limit-register\"}",
        "fjmcp_http_requests_total{route=\"/oauth/register\",method=\"POST\",status=\"429\"}",
    ] {
        ensure!(value(&text, series) >= 1.0, "{series} is not in\n{text}");
    }
    let refused: Vec<&str> = text.lines().filter(|line| line.starts_with("fjmcp_tokens_refused_total{")).collect();
    ensure!(refused.len() == 1, "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn strangers_cannot_make_the_number_of_series_grow() -> Result<()> {
    let (stack, address) = measured().await?;
    let http = http_client()?;
    let ask = async |number: usize| -> Result<()> {
        let method = reqwest::Method::from_bytes(format!("M{number}").as_bytes())?;
        http.request(method, format!("{}/made/up/{number}?x={number}", stack.broker.url))
            .header("user-agent", format!("agent-{number}"))
            .header("mcp-protocol-version", format!("{number}"))
            .bearer_auth(format!("token-{number}"))
            .send()
            .await?;
        http.post(format!("{}/.well-known/{number}", stack.broker.url)).send().await?;
        http.post(format!("{}/mcp", stack.broker.url)).bearer_auth(format!("t{number}")).body("{").send().await?;
        let name = format!("\"}} 1\nfjmcp_evil{number} 1\n#");
        let metadata = json!({"redirect_uris": ["https://c.example/"], "client_name": name});
        http.post(format!("{}/oauth/register", stack.broker.url)).json(&metadata).send().await?;
        Ok(())
    };
    ask(0).await?;
    ask(1).await?;
    let before = scrape(&address).await?;
    for number in 2..40 {
        ask(number).await?;
    }
    let after = scrape(&address).await?;
    ensure!(!after.contains("evil") && !after.contains("made"), "{after}");
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    ensure!(series(&after) == series(&before), "{} became {}:\n{after}", series(&before), series(&after));
    Ok(())
}

#[tokio::test]
async fn metrics_are_not_on_the_public_listener_and_can_be_switched_off() -> Result<()> {
    let (stack, address) = measured().await?;
    let public = http_client()?.get(format!("{}/metrics", stack.broker.url)).send().await?;
    ensure!(public.status() == StatusCode::NOT_FOUND, "{}", public.status());
    let root = address.trim_end_matches("/metrics");
    for path in ["/", "/mcp", "/healthz", "/oauth/token"] {
        let other = http_client()?.get(format!("{root}{path}")).send().await?;
        ensure!(other.status() == StatusCode::NOT_FOUND, "{path}: {}", other.status());
    }
    let off = Stack::start(&fixture("2.18.0")?).await?;
    ensure!(!off.broker.log().contains("listening for metrics"), "{}", off.broker.log());
    Ok(())
}

#[tokio::test]
async fn an_address_for_metrics_that_is_taken_ends_the_start_only_if_the_operator_chose_it() -> Result<()> {
    let (mut stack, address) = measured().await?;
    stack.broker.terminate().await?;
    let taken =
        tokio::net::TcpListener::bind(address.trim_start_matches("http://").trim_end_matches("/metrics")).await?;
    let ended = e2e::command::run(&["serve"], &stack.settings).await?;
    ensure!(ended.code == Some(1) && ended.stderr.contains("metrics-listen"), "{ended:?}");
    drop(taken);
    let wide = stack.settings.clone().with("METRICS_LISTEN", "0.0.0.0:9464");
    let shown = e2e::command::run(&["config"], &wide).await?;
    ensure!(shown.stdout.contains("# warning: metrics-listen is not a loopback address"), "{}", shown.stdout);
    Ok(())
}

#[tokio::test]
async fn a_revived_and_a_crashed_worker_are_told_apart() -> Result<()> {
    let (stack, address) = measured().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let [worker] = stack.broker.workers()[..] else { anyhow::bail!("not one worker") };
    let pid = rustix::process::Pid::from_raw(i32::try_from(worker)?).context("no process id")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    until_ok("the crash is counted", || async {
        let text = scrape(&address).await?;
        ensure!(value(&text, "fjmcp_worker_ends_total{cause=\"killed\"}") >= 1.0, "{text}");
        Ok(())
    })
    .await?;
    mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?;
    let text = scrape(&address).await?;
    ensure!(value(&text, "fjmcp_session_events_total{event=\"revived\"}") >= 1.0, "{text}");
    ensure!(value(&text, "fjmcp_worker_starts_total{outcome=\"started\"}") >= 2.0, "{text}");
    Ok(())
}
