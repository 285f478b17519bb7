//! rmcp, the Rust SDK for MCP, with its own OAuth code: MODE is `auto` (default), `legacy` (its Initialize way) or a revision (its
//! Discover way). See ../README.md for the settings.

use std::env::var;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, Peer};
use rmcp::transport::auth::{AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Of the package, which does not tell it.
const VERSION: &str = "3.11.0";
const LOGIN_DEADLINE: Duration = Duration::from_secs(110);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("rmcp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Value> {
    let base = setting("BROKER_URL")?;
    let base = base.trim_end_matches('/').trim_end_matches("/mcp");
    let endpoint = format!("{base}/mcp");
    let call = CallToolRequestParams::new(setting("TOOL")?)
        .with_arguments(serde_json::from_str(&var("ARGS").unwrap_or_else(|_| "{}".to_owned()))?);

    let state = log_in(&endpoint).await?;
    let manager = state.into_authorization_manager().context("the login left no authorization")?;
    let scope = manager.get_current_scopes().await.join(" ");
    let http = AuthClient::new(reqwest::Client::default(), manager);
    let logins = http.auth_manager.clone();
    let config = StreamableHttpClientTransportConfig::with_uri(endpoint.as_str());
    let client = ().serve_with_lifecycle(StreamableHttpClientTransport::with_client(http, config), lifecycle()?).await?;

    let info = client.peer_info().context("no word of the server")?;
    let tools: Vec<_> = client.list_all_tools().await?.into_iter().map(|tool| tool.name).collect();
    let mut report = json!({
        "client": "rmcp",
        "version": VERSION,
        "era": if info.protocol_version.has_initialize() { "legacy" } else { "modern" },
        "protocolVersion": info.protocol_version.to_string(),
        "scope": scope,
        "tools": tools.len(),
        "toolNames": tools,
        "callText": text_of(&called(&client, &call).await?)?,
    });
    if var("REFRESH").as_deref() == Ok("1") {
        let (client_id, token) = {
            let manager = logins.lock().await;
            (manager.get_credentials().await?.0, manager.get_access_token().await?)
        };
        revoke(base, &token, &client_id).await?;
        report["callTextAfterRefresh"] = text_of(&called(&client, &call).await?)?.into();
        report["refreshed"] = (logins.lock().await.get_access_token().await? != token).into();
    }
    client.cancel().await?;
    Ok(report)
}

fn setting(name: &str) -> Result<String> {
    var(name).ok().filter(|value| !value.is_empty()).with_context(|| format!("{name} must be set"))
}

fn lifecycle() -> Result<ClientLifecycleMode> {
    let newest = || vec![ProtocolVersion::V_2026_07_28];
    Ok(match var("MODE").unwrap_or_default().as_str() {
        "" | "auto" => ClientLifecycleMode::Auto { preferred_versions: newest(), legacy_version: None },
        "legacy" => ClientLifecycleMode::Initialize,
        "2026-07-28" => ClientLifecycleMode::Discover { preferred_versions: newest() },
        other => bail!("MODE is {other}"),
    })
}

/// Discovery, registration and the code flow are the package's; the browser and the listener are ours, as in its examples.
async fn log_in(endpoint: &str) -> Result<OAuthState> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let redirect_uri = format!("http://{}/callback", listener.local_addr()?);
    let mut state = OAuthState::new(endpoint, None).await?;
    let mut request = AuthorizationRequest::new(&redirect_uri).with_client_name("rmcp");
    if let Ok(document) = setting("CIMD_URL") {
        request = request.with_client_metadata_url(document);
    }
    state.start_authorization(request).await?;
    let mut browser = Command::new(setting("BROWSER")?)
        .arg(state.get_authorization_url().await?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start BROWSER")?;
    let came_back = tokio::select! {
        path = callback(&listener) => path?,
        ended = browser.wait() => bail!("the browser ended with {} before it came back", ended?),
        () = tokio::time::sleep(LOGIN_DEADLINE) => bail!("nobody came back from the login"),
    };
    let back = AuthorizationCallback::from_redirect_url(&format!(
        "{}{came_back}",
        redirect_uri.trim_end_matches("/callback")
    ))?;
    state.handle_callback_with_issuer(&back.code, &back.csrf_token, back.issuer.as_deref()).await?;
    Ok(state)
}

/// Path and query of the first request that comes in.
async fn callback(listener: &TcpListener) -> Result<String> {
    let (mut stream, _) = listener.accept().await?;
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    let path = line.split(' ').nth(1).context("the browser sent no request line")?;
    Ok(path.to_owned())
}

async fn called(client: &Peer<RoleClient>, call: &CallToolRequestParams) -> Result<CallToolResult> {
    Ok(client.call_tool(call.clone()).await?)
}

fn text_of(result: &CallToolResult) -> Result<String> {
    let texts: Vec<_> = result.content.iter().filter_map(|part| Some(part.as_text()?.text.clone())).collect();
    let joined = texts.join("\n");
    ensure!(result.is_error != Some(true), "the tool reports an error: {joined}");
    Ok(joined)
}

/// Ends the access token (RFC 7009), so that the package must refresh at its next request.
async fn revoke(base: &str, token: &str, client_id: &str) -> Result<()> {
    let body = format!("token={token}&client_id={client_id}&token_type_hint=access_token");
    let request = reqwest::Client::default().post(format!("{base}/oauth/revoke")).body(body);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await?;
    ensure!(answer.status() == 200, "the revocation ended with {}", answer.status());
    Ok(())
}
