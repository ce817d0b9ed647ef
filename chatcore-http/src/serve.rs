//! A server for poem endpoints with limits for slow and many clients, and with a graceful shutdown.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "metrics")]
use chatcore::metrics::{HTTP_CONNECTIONS, HTTP_CONNECTIONS_LIMIT, Raised};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use poem::{
    Endpoint, IntoResponse, Request,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{io::InspectReader, sync::CancellationToken, task::TaskTracker};

#[cfg(feature = "tls")]
use crate::Tls;
use crate::{
    ClientAddress, ClientIp, TrustedProxies,
    counts::{Counted, Counts},
    half::{Exchanges, HalfClosable},
    idle::HeadTimer,
    proxied::read_proxied,
};

/// The limits of [`serve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Maximum number of open connections; further connections wait for an accept.
    pub connections: usize,
    /// Maximum number of open connections per network address of the client (an IPv4 address, or 64 bits of an IPv6 address); further
    /// connections get 429 and are closed. Connections of trusted proxies do not count, since a proxy serves many clients, unless the PROXY
    /// protocol names the clients.
    pub connections_per_address: usize,
    /// The trusted proxies, which name the addresses of clients.
    pub trusted_proxies: TrustedProxies,
    /// Whether connections of trusted proxies begin with a header of the PROXY protocol, version 2. Without such a header within
    /// `header_time` the connection ends; version 1 is not supported. Connections of other peers have no such header.
    pub proxy_protocol: bool,
    /// Timeout for the head of a request; for the first head from the start of the connection, for further heads from their first byte.
    pub header_time: Duration,
    /// Maximum idle time of a connection between two requests. A request at the moment of the end is lost, so a proxy in front must close
    /// idle connections earlier: common load balancers close idle connections after 60 seconds.
    pub idle_time: Duration,
    /// Timeout for a write to a client that accepts no data.
    pub write_time: Duration,
    /// Maximum time of a request after its client has closed its side of the connection. Such a client may wait for the answer, and is
    /// indistinguishable from a disconnected client.
    pub half_closed_time: Duration,
    /// The grace period for running requests after the start of the shutdown.
    pub grace: Duration,
    /// The certificate of a server that accepts only TLS. A header of the PROXY protocol comes before the handshake.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// Timeout for the handshake of TLS. A connection counts from the start of its handshake.
    #[cfg(feature = "tls")]
    pub handshake_time: Duration,
    /// Whether the connections count in the metrics, with the feature `metrics`.
    pub counts_connections: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 15_000,
            trusted_proxies: TrustedProxies::default(),
            proxy_protocol: false,
            header_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            write_time: Duration::from_secs(30),
            half_closed_time: Duration::from_secs(5),
            grace: Duration::from_secs(3),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            handshake_time: Duration::from_secs(10),
            counts_connections: true,
        }
    }
}

/// The first and the longest pause after a failed accept.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves HTTP/1.1 with WebSockets, within TLS where the options say so, until `stop` is done. Then running requests continue for the grace
/// period.
///
/// poem's own server has no timeout for the head of a request, and retries a failed accept without a pause.
///
/// # Errors
/// None at the moment: the server logs a failed accept, and retries.
pub async fn serve<E>(
    listener: TcpListener,
    endpoint: E,
    options: ServeOptions,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    E: Endpoint + 'static,
{
    let slots = Arc::new(Semaphore::new(options.connections));
    let (stopping, cut, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let server = Arc::new(Server { endpoint, options, per_address: Counts::default(), stopping: stopping.clone() });
    #[cfg(feature = "metrics")]
    let measured = server.options.counts_connections.then(|| {
        let limit = Raised::by(&HTTP_CONNECTIONS_LIMIT.handle(), server.options.connections);
        (HTTP_CONNECTIONS.handle(), limit)
    });
    let mut pause = SHORTEST_PAUSE;
    tokio::pin!(stop);
    loop {
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((slot, listener.accept().await?))
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((slot, (stream, peer))) => {
                pause = SHORTEST_PAUSE;
                let Ok(place) = server.place(peer.ip()) else {
                    server.turn_away(&stream);
                    continue;
                };
                let (server, cut) = (Arc::clone(&server), cut.clone());
                #[cfg(feature = "metrics")]
                let open = measured.as_ref().map(|(open, _)| Raised::by_one(open));
                tasks.spawn(async move {
                    #[cfg(feature = "metrics")]
                    let _open = open;
                    tokio::select! {
                        () = server.receive(stream, peer) => {}
                        () = cut.cancelled() => {}
                    }
                    drop((slot, place));
                });
            }
            // The client was gone before its turn.
            Err(error) if is_of_client(&error) => tracing::debug!(%error, "a connection ended before it was accepted"),
            Err(error) => {
                tracing::error!(%error, "could not accept a connection");
                tokio::select! {
                    () = &mut stop => break,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    drop(listener);
    tasks.close();
    stopping.cancel();
    if timeout(server.options.grace, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "connections are cut at the end");
        cut.cancel();
        tasks.wait().await;
    }
    Ok(())
}

/// Whether a failed accept says something of one connection only (accept(2)).
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// What all connections share.
struct Server<E> {
    endpoint: E,
    options: ServeOptions,
    per_address: Counts<ClientAddress>,
    stopping: CancellationToken,
}

/// An address has as many connections as it may have.
struct TooMany;

impl<E: Endpoint + 'static> Server<E> {
    /// A place among the connections of an address; none for a proxy, whose connections are of many clients.
    fn place(&self, address: IpAddr) -> Result<Option<Counted<ClientAddress>>, TooMany> {
        if self.options.trusted_proxies.contains(address) {
            return Ok(None);
        }
        self.per_address.take(&address.into(), self.options.connections_per_address).map(Some).ok_or(TooMany)
    }

    /// Answers a connection that is one too many, as far as that is possible without waiting: without a handshake there is no answer.
    fn turn_away(&self, stream: &TcpStream) {
        #[cfg(feature = "tls")]
        if self.options.tls.is_some() {
            return;
        }
        let answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nCache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.try_write(answer.as_bytes());
    }

    /// Serves a connection, behind the header of the PROXY protocol where one is due.
    async fn receive(self: Arc<Self>, mut stream: TcpStream, peer: SocketAddr) {
        if !self.options.proxy_protocol || !self.options.trusted_proxies.contains(peer.ip()) {
            return self.secure(stream, peer).await;
        }
        let reading = timeout(self.options.header_time, read_proxied(&mut stream));
        let read = tokio::select! {
            read = reading => read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            () = self.stopping.cancelled() => return,
        };
        match read {
            Ok(client) => {
                let client = client.unwrap_or(peer);
                let Ok(_place) = self.place(client.ip()) else { return self.turn_away(&stream) };
                self.secure(stream, client).await;
            }
            Err(error) => tracing::warn!(%peer, %error, "a trusted proxy sent no PROXY header"),
        }
    }

    /// Serves a connection, within TLS where the server speaks TLS.
    async fn secure(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Frames are small and awaited; a failure to set this costs latency only.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().map(|address| LocalAddr(address.into())).unwrap_or_default();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.options.tls {
            let handshake = timeout(self.options.handshake_time, tls.accept(stream));
            let made = tokio::select! {
                made = handshake => made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
                () = self.stopping.cancelled() => return,
            };
            return match made {
                Ok(stream) => self.connection(stream, local, peer, Scheme::HTTPS).await,
                Err(error) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            };
        }
        self.connection(stream, local, peer, Scheme::HTTP).await;
    }

    async fn connection<S>(self: Arc<Self>, stream: S, local: LocalAddr, peer: SocketAddr, scheme: Scheme)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let exchanges = Exchanges::default();
        let (in_service, server) = (exchanges.clone(), Arc::clone(&self));
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let server = Arc::clone(&server);
            let mut request: Request = (request, local.clone(), RemoteAddr(peer.into()), scheme.clone()).into();
            let client = server.options.trusted_proxies.client(peer.ip(), request.headers());
            request.extensions_mut().insert(ClientIp(client));
            let exchange = in_service.begin(&mut request);
            async move {
                let response = match server.endpoint.call(request).await {
                    Ok(output) => output.into_response(),
                    Err(error) => error.into_response(),
                };
                Ok::<_, Infallible>(exchange.answer(response))
            }
        });
        let options = &self.options;
        let mut builder = http1::Builder::new();
        let timer = HeadTimer::new(options.header_time, options.idle_time);
        let reader = timer.reader();
        builder.timer(timer).header_read_timeout(options.header_time).max_buf_size(64 << 10).max_headers(100);
        // The size of the buffer alone bounds a head only roughly.
        builder.max_header_size(64 << 10);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(options.write_time));
        let transport = HalfClosable::new(Box::pin(stream), exchanges, options.half_closed_time);
        let transport = InspectReader::new(transport, reader);
        let connection = builder.serve_connection(TokioIo::new(transport), service).with_upgrades();
        tokio::pin!(connection);
        let result = tokio::select! {
            result = &mut connection => result,
            () = self.stopping.cancelled() => {
                // Idle ones end at once, others after their answer.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection ended");
        }
    }
}
