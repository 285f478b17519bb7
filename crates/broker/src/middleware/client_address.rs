//! Whose request this is, by address: the peer's, or what a trusted proxy says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address; a request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

// === impl ClientAddress ===

impl ClientAddress {
    /// What stands for a peer without an address, as in tests that call the router directly.
    pub(super) const UNKNOWN: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// The address in a request's extensions.
    pub(crate) fn of(extensions: &http::Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self::UNKNOWN)
    }
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Trusts these networks.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// Whether this address is a trusted proxy's.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address behind `peer`.
    ///
    /// `X-Forwarded-For` is read from its end, which is what the nearest proxy wrote; the first address that is not a trusted
    /// proxy's is the client. Whatever stands further left anybody may have written. What can't be read ends the walk.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).into_iter().collect::<Vec<_>>();
        let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or("unreadable").rsplit(','));
        for hop in hops {
            if !self.contains(client) {
                break;
            }
            let Some(address) = parse_hop(hop.trim()) else { break };
            client = address.to_canonical();
        }
        ClientAddress(client)
    }
}

/// An address as proxies write it: bare, or with a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let networks: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        TrustedProxies::new(&networks).client(peer.parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_his_address() {
        assert_eq!(client(&[], "203.0.113.9", &["127.0.0.1"]), "203.0.113.9");
        assert_eq!(client(&["127.0.0.1/32"], "203.0.113.9", &["127.0.0.1"]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_names_the_client_and_what_the_client_claimed_is_ignored() {
        let trusted = ["127.0.0.1/32", "10.0.0.0/8"];
        assert_eq!(client(&trusted, "127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&trusted, "127.0.0.1", &["1.1.1.1, 203.0.113.9, 10.1.2.3"]), "203.0.113.9");
        assert_eq!(client(&trusted, "127.0.0.1", &["1.1.1.1", "203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn addresses_are_read_with_ports_brackets_and_mapped_v4() {
        let trusted = ["127.0.0.1/32", "::1/128"];
        assert_eq!(client(&trusted, "::ffff:127.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(&trusted, "::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(&trusted, "::1", &["[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk_at_the_last_good_hop() {
        let trusted = ["127.0.0.1/32", "10.0.0.0/8"];
        assert_eq!(client(&trusted, "127.0.0.1", &["203.0.113.9, unknown, 10.0.0.1"]), "10.0.0.1");
        assert_eq!(client(&trusted, "127.0.0.1", &[""]), "127.0.0.1");
    }

    #[test]
    fn if_every_hop_is_trusted_the_furthest_is_the_client() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["10.0.0.9, 10.0.0.2"]), "10.0.0.9");
    }
}
