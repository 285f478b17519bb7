//! Which addresses a stranger may make us connect to: those of the public internet (RFC 6890; oauth.md §5.2, check 11).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{Ipv4Net, Ipv6Net};

/// How far a fetch may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses.
    Public,
    /// This machine's loopback addresses as well. Only where the broker itself is reached over loopback, that is for a trial: then
    /// whoever chooses the address is on this machine anyway.
    PublicAndLoopback,
}

/// IPv4 networks that are not the public internet, or belong to the machinery of a cloud. From IANA's special-purpose registry, all of it,
/// including what is "globally reachable" but no place for a web server.
const CLOSED_V4: &[&str] = &[
    "0.0.0.0/8",        // this network
    "10.0.0.0/8",       // private
    "100.64.0.0/10",    // carrier-grade NAT, and some clouds' metadata
    "127.0.0.0/8",      // loopback
    "168.63.129.16/32", // a public address that is Azure's metadata and DNS inside of it
    "169.254.0.0/16",   // link-local, and most clouds' metadata
    "172.16.0.0/12",    // private
    "192.0.0.0/24",     // protocol assignments
    "192.0.2.0/24",     // documentation
    "192.31.196.0/24",  // AS112
    "192.52.193.0/24",  // AMT
    "192.88.99.0/24",   // 6to4 relays
    "192.168.0.0/16",   // private
    "192.175.48.0/24",  // AS112
    "198.18.0.0/15",    // benchmarks
    "198.51.100.0/24",  // documentation
    "203.0.113.0/24",   // documentation
    "224.0.0.0/4",      // multicast
    "240.0.0.0/4",      // reserved, broadcast
];

/// IPv6: only what IANA has given to the public internet is open ...
const OPEN_V6: &str = "2000::/3";
/// ... and of that not what is special or carries an IPv4 address inside. Outside of it anyway: loopback, mapped and NAT64 addresses, unique
/// local, link-local, multicast.
const CLOSED_V6: &[&str] = &[
    "2001::/23",         // protocol assignments, Teredo, ORCHID, benchmarks
    "2001:db8::/32",     // documentation
    "2002::/16",         // 6to4
    "2620:4f:8000::/48", // AS112
    "3fff::/20",         // documentation
];

struct Table {
    closed_v4: Vec<Ipv4Net>,
    open_v6: Ipv6Net,
    closed_v6: Vec<Ipv6Net>,
}

static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| {
    Some(Table {
        closed_v4: CLOSED_V4.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?,
        open_v6: OPEN_V6.parse().ok()?,
        closed_v6: CLOSED_V6.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?,
    })
});

// === impl Reach ===

impl Reach {
    /// Whether an address may be dialled.
    pub(crate) fn admits(self, address: IpAddr) -> bool {
        if self == Self::PublicAndLoopback && is_loopback(address) {
            return true;
        }
        // A table that could not be read would admit nothing; a test reads it.
        TABLE.as_ref().is_some_and(|table| match address {
            IpAddr::V4(v4) => table.is_public_v4(v4),
            IpAddr::V6(v6) => table.is_public_v6(v6),
        })
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6 == Ipv6Addr::LOCALHOST,
    }
}

// === impl Table ===

impl Table {
    fn is_public_v4(&self, address: Ipv4Addr) -> bool {
        !self.closed_v4.iter().any(|network| network.contains(&address))
    }

    fn is_public_v6(&self, address: Ipv6Addr) -> bool {
        self.open_v6.contains(&address) && !self.closed_v6.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn public(text: &str) -> bool {
        Reach::Public.admits(text.parse().unwrap())
    }

    #[test]
    fn servers_of_the_public_internet_are_reached() {
        for text in ["160.79.104.10", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"] {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:1.1.1.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    #[test]
    fn loopback_is_reached_only_where_the_broker_is_itself_on_loopback_and_nothing_more() {
        for text in ["127.0.0.1", "127.0.0.53", "::1"] {
            assert!(Reach::PublicAndLoopback.admits(text.parse().unwrap()), "{text}");
            assert!(!public(text), "{text}");
        }
        for text in ["10.0.0.1", "169.254.169.254", "0.0.0.0", "::", "::ffff:127.0.0.1", "fe80::1"] {
            assert!(!Reach::PublicAndLoopback.admits(text.parse().unwrap()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_v4_address_that_std_knows_as_special_is_admitted(bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
                || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            prop_assert!(!(special && Reach::Public.admits(address.into())));
        }

        #[test]
        fn no_v4_address_is_admitted_in_the_dress_of_v6(bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            prop_assert!(!Reach::Public.admits(address.to_ipv6_mapped().into()));
            prop_assert!(!Reach::Public.admits(address.to_ipv6_compatible().into()));
        }

        #[test]
        fn no_v6_address_that_std_knows_as_special_is_admitted(bits in any::<u128>()) {
            let address = Ipv6Addr::from(bits);
            let special = address.is_loopback() || address.is_multicast() || address.is_unspecified()
                || address.is_unique_local() || address.is_unicast_link_local() || address.to_ipv4().is_some();
            prop_assert!(!(special && Reach::Public.admits(address.into())));
        }
    }
}
