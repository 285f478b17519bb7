//! Where an authorization would be sent, as a person can judge it.

use url::{Host, Url};

/// The place behind a redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A web server: its host as parsed, in punycode, with its port if that is not the scheme's own.
    Host(String),
    /// A program on the user's own machine (RFC 8252 §7.3); the host is shown too.
    Loopback(String),
    /// An app on the user's own device that has claimed a scheme (RFC 8252 §7.1).
    App(String),
}

// === impl Destination ===

impl Destination {
    /// The place to which this redirect URI leads.
    #[must_use]
    pub fn of(uri: &Url) -> Self {
        if !matches!(uri.scheme(), "http" | "https") {
            return Self::App(uri.scheme().to_owned());
        }
        let authority = match uri.port() {
            Some(port) => format!("{}:{port}", uri.host_str().unwrap_or_default()),
            None => uri.host_str().unwrap_or_default().to_owned(),
        };
        let loopback = match uri.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if loopback { Self::Loopback(authority) } else { Self::Host(authority) }
    }

    /// Whether it is on the user's own device, where any program can take it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        !matches!(self, Self::Host(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Destination {
        Destination::of(&Url::parse(uri).unwrap())
    }

    #[test]
    fn hosts_are_shown_as_parsed_and_in_punycode() {
        assert_eq!(of("https://claude.ai/api/mcp/auth_callback"), Destination::Host("claude.ai".into()));
        assert_eq!(of("https://clаude.ai/cb"), Destination::Host("xn--clude-5ve.ai".into()), "a Cyrillic a");
        assert_eq!(of("https://claude.ai@evil.test:8443/cb"), Destination::Host("evil.test:8443".into()));
        assert_eq!(of("https://localhost.evil.test/"), Destination::Host("localhost.evil.test".into()));
    }

    #[test]
    fn loopback_and_apps_are_local() {
        for uri in ["http://localhost:3118/callback", "http://127.0.0.1/", "http://[::1]:1/"] {
            assert!(matches!(of(uri), Destination::Loopback(_)), "{uri}");
        }
        let app = of("cursor://anysphere.cursor-mcp/oauth/callback");
        assert_eq!(app, Destination::App("cursor".into()));
        assert!(app.is_local());
    }
}
