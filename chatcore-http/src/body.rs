//! Bodies of requests.

use bytes::{Bytes, BytesMut};
use chatcore::{Code, Error, Result};
use futures_util::StreamExt as _;
use poem::{
    Request, RequestBody,
    http::{HeaderValue, header},
};
use tokio::time::timeout;

use crate::Sockets;

/// Reads a body within [`Sockets::body_bytes`] and [`Options::body_time`](crate::Options::body_time), with or without an announced length.
///
/// # Errors
/// [`Refused`](Error::Refused) for a body that is too large, takes too long, or is compressed; [`Malformed`](Error::Malformed) for a
/// truncated body.
pub async fn read_body(request: &Request, body: &mut RequestBody, sockets: &Sockets) -> Result<Bytes> {
    read_body_within(request, body, sockets, sockets.body_bytes()).await
}

/// Reads a body within this number of bytes.
///
/// # Errors
/// As [`read_body`].
pub async fn read_body_within(
    request: &Request,
    body: &mut RequestBody,
    sockets: &Sockets,
    limit: usize,
) -> Result<Bytes> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        let detail = "send the body without Content-Encoding";
        return Err(Error::Refused { code: Code::UnsupportedContentEncoding, detail });
    }
    let too_large = || Error::Refused { code: Code::PayloadTooLarge, detail: "the body is too large" };
    let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    let mut stream = Box::pin(body.take().map_err(|_| Error::Internal)?.into_bytes_stream());
    let mut bytes = BytesMut::new();
    let reading = async {
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Error::malformed("", "the body ended early"))?;
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    };
    let slow = || Error::Refused { code: Code::RequestTimeout, detail: "the body took too long" };
    let result = timeout(sockets.options().body_time, reading).await.unwrap_or_else(|_| Err(slow()));
    result.map(|()| bytes.freeze())
}
