//! The network address of a client.

use std::net::{IpAddr, Ipv6Addr};

use chatcore::Origin;
use poem::Request;

/// The IP address of a client, for logs and for lists of logins. An IPv4 address that is written as an IPv6 address (RFC
/// 4291, section 2.5.5.2) is the IPv4 address.
///
/// [`serve`](crate::serve) puts this address into the extensions of each request, by the rules of
/// [`TrustedProxies`](crate::TrustedProxies). A host with its own server inserts the address itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientIp(pub IpAddr);

impl ClientIp {
    /// The address in the request's extensions, or else the address of the peer; `None` where the server knows no network address, as with
    /// a Unix socket. The function reads no header, since any client can send headers.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let peer = || request.remote_addr().as_socket_addr().map(|address| Self(address.ip().to_canonical()));
        request.extensions().get::<Self>().copied().or_else(peer)
    }
}

/// A client's network address, in the form in which limits per address count it: an IPv4 address, or the first 64 bits of
/// an IPv6 address.
///
/// A network gives a single host 2⁶⁴ IPv6 addresses (RFC 6177), so a single IPv6 address limits nobody. An IPv4 address
/// that is written as an IPv6 address (RFC 4291, section 2.5.5.2) counts as the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The network of [`ClientIp::of`].
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        ClientIp::of(request).map(Into::into)
    }
}

impl From<ClientIp> for ClientAddress {
    fn from(ClientIp(address): ClientIp) -> Self {
        address.into()
    }
}

impl From<ClientAddress> for IpAddr {
    fn from(ClientAddress(address): ClientAddress) -> Self {
        address
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
