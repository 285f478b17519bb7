//! The `Host` values that `/mcp` answers to.

use std::fmt;
use std::net::SocketAddr;

use url::Host;

use super::problem::Fault;
use super::public_url::PublicUrl;

/// One allowed host. Without a port it means the default ports, and a `Host` header without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    host: Host,
    port: Option<u16>,
}

// === impl AllowedHost ===

impl AllowedHost {
    /// Reads `host`, `host:port` or `[v6]:port` (RFC 9110 §7.2); `None` if it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rfind(':') {
            Some(colon) if !text[colon..].contains(']') => {
                let digits = &text[colon + 1..];
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                (&text[..colon], Some(digits.parse().ok().filter(|_| plain)?))
            }
            _ => (text, None),
        };
        if host.contains(['/', '?', '#', '@', '\\', '%', '*']) {
            return None;
        }
        Some(Self { host: Host::parse(host).ok()?, port: port.filter(|port| !matches!(port, 80 | 443)) })
    }

    pub(super) fn parse_setting(text: &str) -> Result<Self, Fault> {
        Self::parse(text).ok_or_else(|| {
            Fault::new(format!("`{text}` is not a host"), "write host or host:port, without scheme, path or wildcard")
        })
    }

    /// The hosts that are allowed if nobody says otherwise.
    pub(super) fn defaults(public_url: &PublicUrl, listen: SocketAddr) -> Vec<Self> {
        let mut hosts: Vec<Self> = Self::parse(public_url.authority()).into_iter().collect();
        if listen.ip().is_loopback() {
            hosts.extend(Self::parse(&listen.to_string()));
            hosts.extend(Self::parse(&format!("localhost:{}", listen.port())));
        }
        let mut unique = Vec::with_capacity(hosts.len());
        for host in hosts {
            if !unique.contains(&host) {
                unique.push(host);
            }
        }
        unique
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_agree_without_regard_to_case_and_default_port() {
        let allowed = AllowedHost::parse("mcp.example.org");
        assert!(allowed.is_some());
        for text in ["MCP.Example.ORG", "mcp.example.org:443", "mcp.example.org:80"] {
            assert_eq!(AllowedHost::parse(text), allowed, "{text}");
        }
        for text in ["mcp.example.org:8080", "mcp.example.org.evil.test", "evil.test", "xmcp.example.org"] {
            assert_ne!(AllowedHost::parse(text), allowed, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        for text in [
            "",
            ":80",
            "a:b",
            "a:",
            "a:99999",
            "a:+1",
            "http://a",
            "a/b",
            "a@b",
            "a b",
            "[::1",
            "::1",
            "*.example.org",
            "a,b\\",
        ] {
            assert_eq!(AllowedHost::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_listening_address_is_allowed_only_on_loopback() {
        let public = PublicUrl::parse("https://mcp.example.org").unwrap();
        let hosts = AllowedHost::defaults(&public, "127.0.0.1:8080".parse().unwrap());
        let texts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["mcp.example.org", "127.0.0.1:8080", "localhost:8080"]);
        assert_eq!(AllowedHost::defaults(&public, "0.0.0.0:8080".parse().unwrap()).len(), 1);
        let v6 = AllowedHost::defaults(&public, "[::1]:8080".parse().unwrap());
        assert_eq!(v6[1].to_string(), "[::1]:8080");
    }
}
