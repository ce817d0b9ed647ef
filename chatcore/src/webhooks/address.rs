//! To which addresses events are sent.
//!
//! Users choose the address of a webhook, and the server connects to it. So without these rules they could reach what only the server can
//! reach: itself, its network, and the services of its cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

/// What an address of a webhook may be.
#[derive(Debug, Clone, Default)]
pub(super) struct AddressRules {
    /// Networks to which events are sent although they are not public.
    pub(super) allowed: Vec<IpNet>,
    /// Whether `http` is accepted beside `https`.
    pub(super) allows_http: bool,
}

impl AddressRules {
    /// Whether events are sent to an address.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(&plain)) || is_public(plain)
    }

    /// Whether events are sent to a name that leads to these addresses. A client connects to any of them, so all are checked.
    pub(super) fn allows_all(&self, addresses: &[SocketAddr]) -> bool {
        addresses.iter().all(|address| self.allows(address.ip()))
    }

    /// Checks the address of a webhook. Names are not resolved: that is done at each connection, since what they lead to changes.
    ///
    /// # Errors
    /// What it should be, for the user.
    pub(super) fn check(&self, url: &Url) -> Result<(), &'static str> {
        match url.scheme() {
            "https" => {}
            "http" if self.allows_http => {}
            "http" => return Err("an https address; http is not accepted here"),
            _ => return Err("an https address"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address without a user name and a password");
        }
        if url.fragment().is_some() {
            return Err("an address without a fragment");
        }
        if url.port() == Some(0) {
            return Err("an address with another port than 0");
        }
        let is_allowed = match url.host() {
            Some(Host::Domain(name)) => !name.is_empty(),
            Some(Host::Ipv4(address)) => self.allows(address.into()),
            Some(Host::Ipv6(address)) => self.allows(address.into()),
            None => false,
        };
        if is_allowed { Ok(()) } else { Err("a public address") }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the registry of special-purpose addresses (RFC 6890).
const fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // This network, private networks, the shared space of carriers, loopback, link-local.
        [0 | 10 | 127, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        // Protocol assignments, documentation, the relay of 6to4, benchmarks.
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        // Multicast, reserved, broadcast.
        | [224..=255, ..] => false,
        _ => true,
    }
}

/// By the registry of special-purpose addresses (RFC 6890). Only global unicast addresses pass, and of the addresses that carry one of IPv4
/// those whose IPv4 address passes.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => embedded(high, low),
        // Protocol assignments, among them Teredo; documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No name leads to several addresses on each machine, so this test connects to nothing.
    #[test]
    fn a_name_is_refused_by_each_of_its_addresses() {
        let allowed = "10.1.0.0/16".parse::<IpNet>().into_iter().collect();
        let rules = AddressRules { allowed, allows_http: false };
        let (public, private): ([u8; 4], [u8; 4]) = ([8, 8, 8, 8], [10, 0, 0, 1]);
        for (addresses, is_allowed) in [
            (vec![public], true),
            (vec![public, [10, 1, 0, 1]], true),
            (vec![private], false),
            (vec![public, private], false),
            (vec![private, public], false),
            (vec![public, [127, 0, 0, 1], public], false),
        ] {
            let found: Vec<SocketAddr> = addresses.iter().map(|address| SocketAddr::from((*address, 0))).collect();
            assert_eq!(rules.allows_all(&found), is_allowed, "{addresses:?}");
        }
    }
}
