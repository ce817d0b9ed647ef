//! From where a client connects.

use std::net::{IpAddr, Ipv6Addr};

use chatcore::Origin;
use poem::Request;

/// A client's network address, in the form in which limits per address count it: an IPv4 address, or the first 64 bits of
/// an IPv6 address.
///
/// A network gives a single host 2⁶⁴ IPv6 addresses (RFC 6177), so a single IPv6 address limits nobody. An IPv4 address
/// that is written as an IPv6 address (RFC 4291, section 2.5.5.2) counts as the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The address of the peer that sent a request; `None` where the server knows no network address, as with a Unix
    /// socket.
    ///
    /// Behind a proxy the peer is the proxy. No header is believed, since any client can send it.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        request.remote_addr().as_socket_addr().map(|address| address.ip().into())
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

impl From<ClientAddress> for Origin {
    fn from(ClientAddress(address): ClientAddress) -> Self {
        address.into()
    }
}
