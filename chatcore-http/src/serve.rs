//! A server for poem endpoints that survives slow and many clients, and ends gracefully.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use poem::{
    Endpoint, IntoResponse, Request,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{io::InspectReader, sync::CancellationToken, task::TaskTracker};

use crate::{
    ClientAddress,
    counts::Counts,
    half::{Exchanges, HalfClosable},
    idle::HeadTimer,
};

/// What [`serve`] allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Connections open at once; further ones wait to be accepted.
    pub connections: usize,
    /// Connections open at once per network address of the client (an IPv4 address, or 64 bits of an IPv6 address); further
    /// ones are answered with 429 and closed. Behind a proxy all clients have the proxy's address: there, raise this limit
    /// to `connections`.
    pub connections_per_address: usize,
    /// How long a client may take for the head of a request; for the first one from the start of the connection, for
    /// further ones from their first byte.
    pub header_time: Duration,
    /// How long a connection may be idle between two requests. A request that arrives in the moment of the end is lost, so a proxy
    /// in front must give up idle connections earlier: common load balancers do so after 60 seconds.
    pub idle_time: Duration,
    /// How long a client may refuse to take what is written to it.
    pub write_time: Duration,
    /// How long a request may go on whose client has ended its side of the connection and waits for the answer. A client
    /// that is gone looks the same.
    pub half_closed_time: Duration,
    /// How long requests may go on after the end was asked for.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 15_000,
            header_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            write_time: Duration::from_secs(30),
            half_closed_time: Duration::from_secs(5),
            grace: Duration::from_secs(3),
        }
    }
}

/// The longest pause after a failed accept.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves HTTP/1.1 with WebSockets until `stop` is done, then lets what runs go on for the time of grace.
///
/// poem's own server knows no time limit for the head of a request and tries a failed accept again without a pause.
///
/// # Errors
/// None at the moment: a failed accept is logged and tried again.
pub async fn serve<E>(
    listener: TcpListener,
    endpoint: E,
    options: ServeOptions,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    E: Endpoint + 'static,
{
    let endpoint = Arc::new(endpoint);
    let slots = Arc::new(Semaphore::new(options.connections));
    let per_address = Counts::default();
    let (stopping, cut, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let mut pause = Duration::from_millis(10);
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
                pause = Duration::from_millis(10);
                let address = ClientAddress::from(peer.ip());
                let Some(place) = per_address.take(&address, options.connections_per_address) else {
                    turn_away(&stream);
                    continue;
                };
                let connection = connection(stream, peer, Arc::clone(&endpoint), options.clone(), stopping.clone());
                let cut = cut.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        () = cut.cancelled() => {}
                    }
                    drop((slot, place));
                });
            }
            Err(error) => {
                tracing::error!(%error, "could not accept a connection");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    drop(listener);
    tasks.close();
    stopping.cancel();
    if timeout(options.grace, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "connections are cut at the end");
        cut.cancel();
        tasks.wait().await;
    }
    Ok(())
}

/// Answers a connection that is one too many, as far as that is possible without waiting.
fn turn_away(stream: &TcpStream) {
    let answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let _ = stream.try_write(answer.as_bytes());
}

async fn connection<E: Endpoint + 'static>(
    stream: TcpStream,
    peer: std::net::SocketAddr,
    endpoint: Arc<E>,
    options: ServeOptions,
    stopping: CancellationToken,
) {
    // Frames are small and awaited; a failure to set this costs latency only.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().map(|address| LocalAddr(address.into())).unwrap_or_default();
    let exchanges = Exchanges::default();
    let in_service = exchanges.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        let mut request: Request = (request, local.clone(), RemoteAddr(peer.into()), Scheme::HTTP).into();
        let exchange = in_service.begin(&mut request);
        async move {
            let response = match endpoint.call(request).await {
                Ok(output) => output.into_response(),
                Err(error) => error.into_response(),
            };
            Ok::<_, Infallible>(exchange.answer(response))
        }
    });
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
        () = stopping.cancelled() => {
            // Idle ones end at once, others after their answer.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended");
    }
}
