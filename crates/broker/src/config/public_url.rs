//! URLs of the configuration: our own origin, Forgejo's base, origins of others.

use std::fmt;

use url::{Host, Url};

use super::problem::Fault;

/// The broker's own origin. Every URL the broker writes is made from it, never from a request.
///
/// It is the issuer (RFC 8414 §2), and the protected resource (RFC 9728 §2) is this with `/mcp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    origin: String,
}

/// A base URL of Forgejo, sub-path included, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

// === impl PublicUrl ===

impl PublicUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let url = web_url(text, "https://mcp.example.org")?;
        if url.path() != "/" || text.ends_with('/') || url.query().is_some() || url.fragment().is_some() {
            return Err(Fault::new(
                format!("`{text}` is more than an origin"),
                format!(
                    "write only {}: without path, query, fragment and trailing slash",
                    url.origin().ascii_serialization()
                ),
            ));
        }
        let public = Self { origin: url.origin().ascii_serialization(), url };
        if !public.is_https() && !public.is_loopback() {
            return Err(Fault::new(
                format!("`{text}` is not https"),
                "use https (behind a reverse proxy that has the certificate), or http with a loopback host for trials",
            ));
        }
        Ok(public)
    }

    /// `scheme://host[:port]`, in punycode, without a trailing slash. This is the issuer.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The origin followed by a path that begins with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The URL of the MCP endpoint, which is what users type into their clients.
    #[must_use]
    pub fn mcp(&self) -> String {
        self.join("/mcp")
    }

    /// The origin as a URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// `host`, or `host:port` if the port is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether browsers reach us by TLS, so that `__Host-` cookies work.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the host is 127.0.0.0/8, `[::1]` or `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

// === impl BaseUrl ===

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let url = web_url(text, "https://git.example.org")?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Fault::new(format!("`{text}` has a query or a fragment"), "write the base URL only"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The URL, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its host, with the port if that is not the scheme's own; for people.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        authority.split('/').next().unwrap_or_default()
    }

    /// Whether it is plain HTTP to another machine.
    pub(crate) fn is_exposed(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses an origin for a list: `scheme://host[:port]`, written as browsers write the `Origin` header (RFC 6454 §6.2).
pub(crate) fn parse_origin(text: &str) -> Result<String, Fault> {
    let fault = || {
        Fault::new(
            format!("`{text}` is not an origin"),
            "write scheme://host or scheme://host:port, without path or wildcard",
        )
    };
    let url = Url::parse(text).map_err(|_| fault())?;
    if matches!(url.scheme(), "http" | "https") {
        let bare = url.path() == "/" && !text.ends_with('/') && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        return if bare && anonymous && !text.contains('*') {
            Ok(url.origin().ascii_serialization())
        } else {
            Err(fault())
        };
    }
    // Editors show pages under schemes of their own (vscode-webview://…), whose origin is compared as it is written.
    let authority = text.split_once("://").map_or("", |(_, authority)| authority);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    if authority.is_empty() || !authority.chars().all(plain) { Err(fault()) } else { Ok(text.to_lowercase()) }
}

fn web_url(text: &str, example: &str) -> Result<Url, Fault> {
    let remedy = || format!("write a URL such as {example}");
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(Fault::new("the URL contains white space, control characters or a backslash", remedy()));
    }
    let url = Url::parse(text).map_err(|error| Fault::new(format!("`{text}` is not a URL: {error}"), remedy()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::new(
            "the URL contains a user name or password",
            "remove everything before and including the @",
        ));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Fault::new(format!("`{text}` is neither http nor https"), remedy()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_https_origin_or_http_on_loopback() {
        for text in [
            "https://mcp.example.org",
            "https://mcp.example.org:8443",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!(url.origin(), text);
        }
        assert_eq!(PublicUrl::parse("HTTPS://MCP.Example.org:443").unwrap().origin(), "https://mcp.example.org");
        assert_eq!(PublicUrl::parse("https://bücher.example").unwrap().origin(), "https://xn--bcher-kva.example");
    }

    #[test]
    fn a_public_url_with_anything_else_is_refused() {
        for text in [
            "",
            "mcp.example.org",
            "http://mcp.example.org",
            "https://mcp.example.org/",
            "https://mcp.example.org/x",
            "https://h?q",
            "https://h#f",
            "https://user@h",
            "https://user:pass@h",
            "ftp://h",
            "https://h /",
            "https://h\\x",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_urls_we_write_are_made_from_the_origin() {
        let url = PublicUrl::parse("https://mcp.example.org:8443").unwrap();
        assert_eq!(url.mcp(), "https://mcp.example.org:8443/mcp");
        assert_eq!(url.authority(), "mcp.example.org:8443");
        assert!(url.is_https() && !url.is_loopback());
    }

    #[test]
    fn forgejo_may_live_below_a_sub_path_and_a_trailing_slash_is_dropped() {
        assert_eq!(BaseUrl::parse("https://example.org/git/").unwrap().as_str(), "https://example.org/git");
        assert_eq!(BaseUrl::parse("https://git.example.org").unwrap().as_str(), "https://git.example.org");
        for text in ["https://user:pass@git.example.org", "git.example.org", "https://h/?q", "ssh://h"] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        assert_eq!(parse_origin("https://Example.org:443").unwrap(), "https://example.org");
        assert_eq!(parse_origin("http://localhost:6274").unwrap(), "http://localhost:6274");
        assert_eq!(parse_origin("vscode-webview://abc").unwrap(), "vscode-webview://abc");
        for text in [
            "*",
            "null",
            "https://example.org/",
            "https://example.org/x",
            "https://*.example.org",
            "example.org",
            "https://u@h",
            "x://a/b",
        ] {
            assert!(parse_origin(text).is_err(), "{text}");
        }
    }
}
