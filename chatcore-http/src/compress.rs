//! Compression of responses.

use hyper::body::Body as _;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    web::{Compress, CompressionAlgo, CompressionLevel},
};

/// What is shorter stays as it is, in bytes: it fits into one packet.
const SHORTEST: u64 = 1_024;

/// The codings that are offered, the best one first.
const CODINGS: [(&str, CompressionAlgo); 3] =
    [("zstd", CompressionAlgo::ZSTD), ("br", CompressionAlgo::BR), ("gzip", CompressionAlgo::GZIP)];

/// Middleware that compresses responses with zstd, Brotli or gzip, according to the client's `Accept-Encoding` (RFC 9110, section 12.5.3).
/// The middleware does not process bodies of requests.
///
/// The middleware does not compress these responses:
///
/// | response | reason |
/// |---|---|
/// | below a path with the segment `auth`; with `Cache-Control: no-transform` | a secret is next to text that the client chose: the compressed length leaks the secret (CRIME, BREACH) |
/// | a stream, and every response of unknown length | each part must arrive at once |
/// | with an `ETag` that is strong | each coding needs a tag of its own (RFC 9110, section 8.8.3), and the tag is a revision's number |
/// | under 1 KiB, images and other files that are compressed, parts of a body | compression gains nothing |
#[derive(Debug, Clone, Copy, Default)]
pub struct Compression;

impl<E: Endpoint> Middleware<E> for Compression {
    type Output = CompressionEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        CompressionEndpoint { inner }
    }
}

/// An endpoint behind [`Compression`].
pub struct CompressionEndpoint<E> {
    inner: E,
}

impl<E> std::fmt::Debug for CompressionEndpoint<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressionEndpoint").finish_non_exhaustive()
    }
}

impl<E: Endpoint> Endpoint for CompressionEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let is_head = request.method() == Method::HEAD;
        // An app around this endpoint may have stripped a part of the path.
        let paths = [request.original_uri().path(), request.uri().path()];
        let is_auth = paths.iter().flat_map(|path| path.split('/')).any(|segment| segment.eq_ignore_ascii_case("auth"));
        let coding = coding(request.headers());
        let mut response = self.inner.call(request).await?.into_response();
        if is_auth || !may_compress(&mut response) {
            return Ok(response);
        }
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        Ok(match coding {
            // The length that GET gives is not known without compressing.
            Some(_) if is_head => {
                response.headers_mut().remove(header::CONTENT_LENGTH);
                response
            }
            Some(coding) => Compress::new(response, coding).with_quality(CompressionLevel::Fastest).into_response(),
            None => response,
        })
    }
}

/// Whether the response gains by it, and nothing speaks against it.
fn may_compress(response: &mut Response) -> bool {
    let headers = response.headers();
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_fixed = text(&header::CACHE_CONTROL).split(',').any(|word| word.trim().eq_ignore_ascii_case("no-transform"));
    let is_tagged = headers.get(header::ETAG).is_some_and(|tag| !tag.as_bytes().starts_with(b"W/"));
    let is_coded = headers.contains_key(header::CONTENT_ENCODING) || headers.contains_key(header::CONTENT_RANGE);
    let is_text = is_text(text(&header::CONTENT_TYPE));
    if is_fixed || is_tagged || is_coded || !is_text || response.status() == StatusCode::PARTIAL_CONTENT {
        return false;
    }
    length(response).is_some_and(|length| length >= SHORTEST)
}

/// Whether a media type has a form that is worth it. An event stream is text, too, and has no length.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = kind.split_once('/').map_or("", |(_, subtype)| subtype);
    let is_named = ["json", "javascript", "xml"]
        .iter()
        .any(|name| subtype.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('+')));
    kind != "text/event-stream" && (kind.starts_with("text/") || is_named)
}

/// The length of the body, where it is known.
fn length(response: &mut Response) -> Option<u64> {
    let body = response.take_body();
    let body = hyper::Response::from(Response::builder().body(body)).into_body();
    let length = body.size_hint().exact();
    response.set_body(body);
    length
}

/// The best of the codings that the client accepts; `None` for none.
fn coding(headers: &HeaderMap) -> Option<CompressionAlgo> {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let members: Vec<_> = lines.flat_map(|line| line.split(',')).filter_map(member).collect();
    let of =
        |name: &str| members.iter().find(|(member, _)| member.eq_ignore_ascii_case(name)).map(|(_, weight)| *weight);
    let weight = |name: &str| of(name).or_else(|| of("*")).unwrap_or(0.0);
    // Without a word about it, no coding is worse than any.
    let identity = of("identity").unwrap_or(0.0);
    let wanted = CODINGS.iter().map(|(name, coding)| (weight(name), *coding));
    let best = wanted.filter(|(weight, _)| *weight > 0.0 && *weight >= identity);
    // The first of those that are wanted as much.
    best.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, coding)| coding)
}

/// A coding with its weight, from 0 to 1 (RFC 9110, section 12.4.2); one with a weight that cannot be read is left out.
fn member(text: &str) -> Option<(&str, f32)> {
    let (name, weight) = text.split_once(';').unwrap_or((text, ""));
    let weight = match weight.trim() {
        "" => 1.0,
        weight => weight.to_ascii_lowercase().strip_prefix("q=")?.trim().parse().ok()?,
    };
    (0.0..=1.0).contains(&weight).then_some((name.trim(), weight))
}

#[cfg(test)]
mod tests {
    use poem::http::{HeaderMap, HeaderValue, header};

    use super::coding;

    #[test]
    fn the_coding_is_one_that_the_client_accepts() {
        for (accept, expected) in [
            (None, None),
            (Some(""), None),
            (Some("identity"), None),
            (Some("deflate"), None),
            (Some("gzip"), Some("gzip")),
            (Some("GZIP;Q=0.5"), Some("gzip")),
            (Some("gzip, deflate, br, zstd"), Some("zstd")),
            (Some("gzip, br"), Some("br")),
            (Some("gzip;q=1.0, br;q=0.9"), Some("gzip")),
            (Some("gzip;q=0, *"), Some("zstd")),
            (Some("*;q=0"), None),
            (Some("gzip;q=0"), None),
            (Some("gzip;q=0.5, identity"), None),
            (Some("gzip;q=x, br;q=2, zstd;q=nan"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            }
            assert_eq!(coding(&headers).map(|coding| coding.to_string()).as_deref(), expected, "{accept:?}");
        }
    }
}
