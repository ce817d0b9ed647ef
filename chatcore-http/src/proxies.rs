//! Trusted proxies, which name the addresses of clients.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use poem::http::HeaderMap;

use crate::forwarded::{Hops, forwarded, x_forwarded_for};

/// The networks of proxies that name the address of a request's client truthfully. None by default.
///
/// The rules, which prevent that a client chooses its address:
///
/// - A peer that is no trusted proxy is the client, and its headers are not read.
/// - A trusted proxy names the address of its own peer last in `Forwarded` (RFC 7239) or `X-Forwarded-For`. Counted from the right, the
///   first address that is no trusted proxy is the client's.
/// - Where an address is hidden (`unknown`, `_name`), cannot be read, or is missing, the nearest proxy before it counts as the client.
/// - A proxy writes one of the two headers, and may pass the client's own copy of the other one through. So where both are present and name
///   different clients, the address of the peer counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// A text that names no network of proxies, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not a network of proxies: {reason}")]
pub struct InvalidProxy {
    /// The text.
    pub entry: String,
    /// What to write instead.
    pub reason: &'static str,
}

impl TrustedProxies {
    /// The proxies at these addresses (`10.0.0.7`, `fd00::7`) and in these networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// [`InvalidProxy`] with the first entry that is neither, and for a network that holds every address.
    pub fn listed(entries: &[impl AsRef<str>]) -> Result<Self, InvalidProxy> {
        entries.iter().map(|entry| network(entry.as_ref())).collect::<Result<Vec<_>, _>>().map(|nets| Self(nets.into()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is a proxy's.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the client of a request that came from `peer`.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        match (forwarded(headers), x_forwarded_for(headers)) {
            (None, None) => peer,
            (Some(hops), None) | (None, Some(hops)) => self.farthest(peer, hops),
            (Some(one), Some(other)) => {
                let (one, other) = (self.farthest(peer, one), self.farthest(peer, other));
                if one == other {
                    return one;
                }
                tracing::debug!(%peer, %one, %other, "Forwarded and X-Forwarded-For name different clients");
                peer
            }
        }
    }

    /// Follows the hops from the nearest one as far as proxies vouch for them.
    fn farthest(&self, peer: IpAddr, hops: Hops) -> IpAddr {
        let mut known = peer;
        for hop in hops.into_iter().rev() {
            match hop {
                Some(address) if self.contains(address) => known = address,
                Some(address) => return address,
                None => break,
            }
        }
        known
    }
}

fn network(entry: &str) -> Result<IpNet, InvalidProxy> {
    let invalid = |reason| InvalidProxy { entry: entry.to_owned(), reason };
    let network = match (entry.parse::<IpAddr>(), entry.parse::<IpNet>()) {
        (Ok(address), _) => IpNet::from(address),
        (_, Ok(network)) => network,
        (Err(_), Err(_)) => return Err(invalid("write an IP address, or a network like 10.0.0.0/8")),
    };
    if network.trunc() != network {
        return Err(invalid("the address has bits beyond the length of the network's prefix"));
    }
    if network.addr().to_canonical() != network.addr() {
        return Err(invalid("write it as an IPv4 network"));
    }
    if network.prefix_len() == 0 {
        return Err(invalid("it holds every address, so any client could choose an address"));
    }
    Ok(network)
}
