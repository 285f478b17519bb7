//! `fjmcp-broker healthcheck`: for images without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::exit::Failure;
use crate::config::{FlagValues, listen_address};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Ask this URL instead of /healthz on the configured listen address
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
    #[command(flatten)]
    settings: FlagValues,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => format!(
            "http://{}/healthz",
            reachable(listen_address(&arguments.settings, &|name| { std::env::var_os(name) })?)
        ),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let body = runtime.block_on(ask(&url, Duration::from_secs(arguments.timeout)))?;
    super::print(&format!("{}\n", body.trim_end()))
}

async fn ask(url: &str, timeout: Duration) -> Result<String, anyhow::Error> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("cannot make an HTTP client")?;
    let response = client.get(url).send().await.with_context(|| format!("no answer from {url}"))?;
    let status = response.status();
    let body = response.text().await.with_context(|| format!("no whole answer from {url}"))?;
    if !status.is_success() {
        bail!("{url} answers {status}: {}", body.trim_end());
    }
    Ok(body)
}

/// An address that listens on all interfaces is asked on loopback.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_asked_on_loopback() {
        for (listen, asked) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
