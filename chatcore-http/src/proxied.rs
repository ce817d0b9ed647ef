//! The PROXY protocol, version 2: a proxy names the client's address in front of a connection's own bytes.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest header that is read after its first 16 bytes. Addresses need at most 216, extensions such as a TLS certificate's name
/// the rest.
const LONGEST: u16 = 4 << 10;

/// Reads the header, and not one byte more. `None` where the proxy speaks for itself, as its health checks do, or does not know an address.
///
/// # Errors
/// For anything else than a header of version 2, the text form of version 1 included: it can be confused with other protocols' first lines.
pub(crate) async fn read_proxied(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let invalid = |why: &'static str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).await?;
    let [.., high, low] = fixed;
    let length = u16::from_be_bytes([high, low]);
    if !fixed.starts_with(PROTOCOL_PREFIX) || length > LONGEST {
        return Err(invalid("the connection does not begin with a header of version 2 of the PROXY protocol"));
    }
    let mut rest = vec![0; usize::from(length)];
    stream.read_exact(&mut rest).await?;
    let bytes = [&fixed[..], &rest].concat();
    let header = Header::try_from(bytes.as_slice()).map_err(|_| invalid("the PROXY header is not valid"))?;
    match (header.command, header.protocol, header.addresses) {
        (Command::Proxy, Protocol::Datagram, _) => Err(invalid("the PROXY header is not of a TCP connection")),
        (Command::Proxy, _, Addresses::IPv4(addresses)) => {
            Ok(Some((IpAddr::V4(addresses.source_address), addresses.source_port).into()))
        }
        (Command::Proxy, _, Addresses::IPv6(addresses)) => {
            let source = IpAddr::V6(addresses.source_address).to_canonical();
            Ok(Some((source, addresses.source_port).into()))
        }
        (Command::Local, ..) | (Command::Proxy, _, Addresses::Unspecified | Addresses::Unix(_)) => Ok(None),
    }
}
