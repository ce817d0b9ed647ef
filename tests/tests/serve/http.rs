//! Unusual and wrong requests, by the sections of RFC 9110 and RFC 9112.

use chatcore_tests::{Backend, Server, token};
use futures_util::future::join_all;
use serde_json::Value;

use super::raw::{Last, Response, exchange, responses};

/// What the client does once it has sent the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It sends one more request, the probe. The server answers the probe only if it knows where the first one ended.
    Probe,
    /// It ends its side of the connection.
    Half,
}
use Then::{Half, Probe};

/// Section; what it is about; the request; what follows it; the statuses of the answers, with `probe` where the probe
/// is answered and `end` where the server ends the connection without that; parts of the first final answer, with `!`
/// before those that it does not have.
///
/// `<H>` is a header `Host`, `<A>` a header `Authorization`, `<J>` a header `Content-Type: application/json`, `<S>` the
/// path of a session, `<D>` that of another one, `<L>` 70,000 letters, `<l>` 30,000 letters, and `<N>` 101 headers. A
/// character below U+0100 is one byte.
type Row = (&'static str, &'static str, &'static str, Then, &'static str, &'static [&'static str]);

const PROBE: &str = "HEAD /docs HTTP/1.1\r\nHost: x\r\nX-Request-Id: probe\r\nConnection: close\r\n\r\n";

#[rustfmt::skip] // A row is a line.
const HEADS: &[Row] = &[
    ("9112 2.2", "an empty line before the request", "\r\nGET /docs HTTP/1.1\r\n<H>\r\n",
        Probe, "200 probe", &["date: "]),
    ("9112 2.2", "line feeds alone", "GET /docs HTTP/1.1\nHost: x\n\n", Probe, "200 probe", &[]),
    ("9112 2.2", "a bare carriage return", "GET /docs HTTP/1.1\r\n<H>X: a\rb\r\n\r\n", Probe, "400 end", &[]),
    ("9112 2.2", "space before the first header", "GET /docs HTTP/1.1\r\n Host: x\r\n\r\n", Probe, "400 end", &[]),
    ("9112 2.3", "HTTP/0.9", "GET /docs\r\n\r\n", Probe, "400 end", &[]),
    // A later minor version should be served. The parser knows two versions only; the answer is safe.
    ("9112 2.3", "HTTP/1.2", "GET /docs HTTP/1.2\r\n<H>\r\n", Probe, "400 end", &[]),
    // The parser refuses without an answer what may be the beginning of HTTP/2.
    ("9112 2.3", "HTTP/2 without agreement", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Probe, "end", &[]),
    ("9112 2.3", "HTTP/2.0 in a request line", "GET /docs HTTP/2.0\r\n<H>\r\n", Probe, "400 end", &[]),
    ("9112 2.3", "a version in lower case", "GET /docs http/1.1\r\n<H>\r\n", Probe, "400 end", &[]),
    ("9112 3", "two spaces", "GET  /docs HTTP/1.1\r\n<H>\r\n", Probe, "400 end", &[]),
    ("9112 3", "a space in the target", "GET /do cs HTTP/1.1\r\n<H>\r\n", Probe, "400 end", &[]),
    ("9112 3", "no method", " /docs HTTP/1.1\r\n<H>\r\n", Probe, "400 end", &[]),
    ("9112 3", "a target that is too long", "GET /<L> HTTP/1.1\r\n<H>\r\n", Probe, "431 end", &[]),
    ("9110 15.5.15", "a long target", "GET /<l> HTTP/1.1\r\n<H>\r\n",
        Probe, "404 probe", &["code: RESOURCE_NOT_FOUND"]),
    ("9110 5.4", "a header that is too long", "GET /docs HTTP/1.1\r\n<H>X: <L>\r\n\r\n", Probe, "431 end", &[]),
    ("9110 5.4", "too many headers", "GET /docs HTTP/1.1\r\n<H><N>\r\n", Probe, "431 end", &[]),
    ("9112 3.2", "no Host", "GET /docs HTTP/1.1\r\n\r\n", Probe, "400 probe", &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 3.2", "two Hosts", "GET /docs HTTP/1.1\r\n<H><H>\r\n",
        Probe, "400 probe", &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 3.2", "two different Hosts", "GET /docs HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", Probe, "400 probe", &[]),
    ("9112 3.2", "two Hosts in one", "GET /docs HTTP/1.1\r\nHost: x, y\r\n\r\n", Probe, "400 probe", &[]),
    ("9112 3.2", "a space in Host", "GET /docs HTTP/1.1\r\nHost: x y\r\n\r\n", Probe, "400 probe", &[]),
    ("9112 3.2", "a path in Host", "GET /docs HTTP/1.1\r\nHost: x/y\r\n\r\n", Probe, "400 probe", &[]),
    ("9112 3.2", "a port that is none", "GET /docs HTTP/1.1\r\nHost: x:y\r\n\r\n", Probe, "400 probe", &[]),
    ("9112 3.2", "a Host that is not ASCII", "GET /docs HTTP/1.1\r\nHost: \u{e4}\r\n\r\n", Probe, "400 probe", &[]),
    ("9110 4.2.4", "a user in Host", "GET /docs HTTP/1.1\r\nHost: a@x\r\n\r\n", Probe, "400 probe", &[]),
    ("9112 3.2", "an empty Host", "GET /docs HTTP/1.1\r\nHost:\r\n\r\n", Probe, "200 probe", &[]),
    ("9112 3.2", "an IPv6 Host", "GET /docs HTTP/1.1\r\nhOsT:[::1]:80\r\n\r\n", Probe, "200 probe", &[]),
    ("9112 3.2", "no Host on GraphQL", "GET /graphql HTTP/1.1\r\n\r\n",
        Probe, "400 probe", &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 3.2", "no Host on REST", "GET /api/chat/sessions HTTP/1.1\r\n<A>\r\n", Probe, "400 probe", &[]),
    ("9112 3.2", "no Host below no path", "GET /nowhere HTTP/1.1\r\n\r\n", Probe, "400 probe", &[]),
    // Without a body: the server closes after it, and a close cuts off what the client has not yet taken of a long one.
    ("9112 3.2", "HTTP/1.0 without Host", "HEAD /docs HTTP/1.0\r\n\r\n", Probe, "200 end", &[]),
    ("9112 3.2", "HTTP/1.0 with two Hosts", "GET /docs HTTP/1.0\r\n<H><H>\r\n", Probe, "400 end", &[]),
    ("9112 3.2.2", "an absolute target", "GET http://x/docs HTTP/1.1\r\n<H>\r\n", Probe, "200 probe", &[]),
    ("9112 3.2.2", "an absolute target of another host", "GET http://y/docs HTTP/1.1\r\n<H>\r\n",
        Probe, "200 probe", &[]),
    ("9112 3.2.2", "an absolute target without Host", "GET http://x/docs HTTP/1.1\r\n\r\n", Probe, "400 probe", &[]),
    ("9110 4.2.4", "a user in an absolute target", "GET http://a@x/docs HTTP/1.1\r\n<H>\r\n", Probe, "400 probe", &[]),
    ("9112 3.2.3", "a host alone", "GET x:80 HTTP/1.1\r\n<H>\r\n",
        Probe, "400 probe", &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 3.2.4", "OPTIONS *", "OPTIONS * HTTP/1.1\r\n<H>\r\n", Probe, "204 probe", &["!content-length", "date: "]),
    ("9112 3.2.4", "GET *", "GET * HTTP/1.1\r\n<H>\r\n", Probe, "400 probe", &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 3.2", "a target without a slash", "GET docs HTTP/1.1\r\n<H>\r\n", Probe, "400 probe", &[]),
    ("9110 4.2.3", "a broken escape in the path", "GET /do%zz HTTP/1.1\r\n<H>\r\n", Probe, "404 probe", &[]),
    ("9112 5", "a header without a colon", "GET /docs HTTP/1.1\r\n<H>nothing\r\n\r\n", Probe, "400 end", &[]),
    ("9112 5", "a header without a name", "GET /docs HTTP/1.1\r\n<H>: x\r\n\r\n", Probe, "400 end", &[]),
    ("9110 5.1", "a name that is no token", "GET /docs HTTP/1.1\r\n<H>X(y): x\r\n\r\n", Probe, "400 end", &[]),
    ("9112 5.1", "space before the colon", "GET /docs HTTP/1.1\r\n<H>X : x\r\n\r\n", Probe, "400 end", &[]),
    ("9112 5.2", "a folded line", "GET /docs HTTP/1.1\r\n<H>X: a\r\n b\r\n\r\n", Probe, "400 end", &[]),
    ("9110 5.5", "a zero byte in a value", "GET /docs HTTP/1.1\r\n<H>X: a\0b\r\n\r\n", Probe, "400 end", &[]),
    ("9110 5.5", "a value that is not ASCII", "GET /docs HTTP/1.1\r\n<H>X: \u{e4}\u{ff}\r\n\r\n",
        Probe, "200 probe", &[]),
    ("9110 5.5", "a token that is not ASCII", "GET <S> HTTP/1.1\r\n<H>Authorization: Bearer \u{e4}\r\n\r\n",
        Probe, "401 probe",
        &["www-authenticate: Bearer"]),
    ("9110 5.5", "an empty value", "GET /docs HTTP/1.1\r\n<H>X:\r\n\r\n", Probe, "200 probe", &[]),
];

#[rustfmt::skip] // A row is a line.
const METHODS: &[Row] = &[
    ("9110 9.1", "a method in lower case", "get /docs HTTP/1.1\r\n<H>\r\n", Probe, "405 probe",
        &["allow: GET, HEAD, OPTIONS", "code: METHOD_NOT_ALLOWED"]),
    // 501 would be possible as well; 405 tells what is possible.
    ("9110 9.1", "a method that nobody knows", "BREW /docs HTTP/1.1\r\n<H>\r\n",
        Probe, "405 probe", &["allow: GET, HEAD, OPTIONS"]),
    ("9110 9.1", "the same for GraphQL", "BREW /graphql HTTP/1.1\r\n<H>\r\n", Probe, "405 probe",
        &["allow: GET, HEAD, POST, OPTIONS", "code: METHOD_NOT_ALLOWED"]),
    ("9110 9.3.2", "HEAD of a page", "HEAD /docs HTTP/1.1\r\n<H>\r\n",
        Probe, "200 probe", &["content-type: text/html"]),
    ("9110 9.3.2", "HEAD of the document", "HEAD /openapi.json HTTP/1.1\r\n<H>\r\n",
        Probe, "200 probe", &["content-type: application/json"]),
    ("9110 9.3.2", "HEAD of a list", "HEAD /api/chat/sessions HTTP/1.1\r\n<H><A>\r\n",
        Probe, "200 probe", &["content-type: application/json"]),
    ("9110 9.3.2", "HEAD of a public list", "HEAD /api/v1/chat/sessions/public HTTP/1.1\r\n<H><A>\r\n",
        Probe, "200 probe", &[]),
    ("9110 9.3.2", "HEAD of a session", "HEAD <S> HTTP/1.1\r\n<H><A>\r\n",
        Probe, "200 probe", &["content-type: application/json"]),
    ("9110 9.3.2", "HEAD of messages", "HEAD <S>/messages HTTP/1.1\r\n<H><A>\r\n", Probe, "200 probe", &[]),
    ("9110 9.3.2", "HEAD of participants", "HEAD <S>/participants HTTP/1.1\r\n<H><A>\r\n", Probe, "200 probe", &[]),
    ("9110 9.3.2", "HEAD of events", "HEAD <S>/events HTTP/1.1\r\n<H><A>\r\n",
        Probe, "200 probe", &["content-type: application/json"]),
    ("9110 9.3.2", "HEAD of an event stream", "HEAD <S>/events HTTP/1.1\r\n<H><A>Accept: text/event-stream\r\n\r\n",
        Probe, "200 probe",
        &["content-type: text/event-stream"]),
    ("9110 9.3.2", "HEAD of a query", "HEAD /graphql?query=%7Bme%7Bid%7D%7D HTTP/1.1\r\n<H><A>\r\n",
        Probe, "200 probe", &[]),
    ("9110 9.3.2", "HEAD of nothing", "HEAD /nowhere HTTP/1.1\r\n<H>\r\n",
        Probe, "404 probe", &["content-type: application/problem+json"]),
    ("9110 9.3.2", "HEAD without a token", "HEAD <S> HTTP/1.1\r\n<H>\r\n",
        Probe, "401 probe", &["www-authenticate: Bearer"]),
    ("9110 9.3.2", "HEAD of a WebSocket", "HEAD /ws HTTP/1.1\r\n<H>\r\n", Probe, "426 probe", &["upgrade: websocket"]),
    ("9110 9.3.6", "CONNECT", "CONNECT x:80 HTTP/1.1\r\n<H>\r\n", Probe, "404 probe", &[]),
    ("9110 9.3.6", "CONNECT to a path", "CONNECT /docs HTTP/1.1\r\n<H>\r\n",
        Probe, "405 probe", &["allow: GET, HEAD, OPTIONS"]),
    ("9110 9.3.7", "OPTIONS", "OPTIONS /docs HTTP/1.1\r\n<H>\r\n",
        Probe, "204 probe", &["allow: GET, HEAD, OPTIONS", "!content-length"]),
    ("9110 9.3.7", "OPTIONS for GraphQL", "OPTIONS /graphql HTTP/1.1\r\n<H>\r\n",
        Probe, "204 probe", &["allow: GET, HEAD, POST, OPTIONS"]),
    ("9110 9.3.7", "OPTIONS for nothing", "OPTIONS /nowhere HTTP/1.1\r\n<H>\r\n", Probe, "404 probe", &[]),
    ("9110 9.3.8", "TRACE", "TRACE /docs HTTP/1.1\r\n<H>X: secret\r\n\r\n",
        Probe, "405 probe", &["allow: GET, HEAD, OPTIONS", "!secret"]),
    ("9110 9.3.8", "TRACE for GraphQL", "TRACE /graphql HTTP/1.1\r\n<H>X: secret\r\n\r\n",
        Probe, "405 probe", &["!secret"]),
    ("9110 15.5.6", "PATCH", "PATCH <S> HTTP/1.1\r\n<H><A>\r\n",
        Probe, "405 probe", &["allow: DELETE, GET, HEAD, OPTIONS, PUT"]),
    ("9110 15.5.6", "POST to a WebSocket", "POST /ws HTTP/1.1\r\n<H>\r\n",
        Probe, "405 probe", &["allow: GET, HEAD, OPTIONS"]),
    ("9110 15.5.6", "a mutation with GET", "GET /graphql?query=mutation%7B__typename%7D HTTP/1.1\r\n<H><A>\r\n",
        Probe, "405 probe",
        &["allow: POST"]),
];

#[rustfmt::skip] // A row is a line.
const FRAMING: &[Row] = &[
    ("9110 8.6", "a body of no length", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>\r\n",
        Probe, "400 probe", &["code: VALIDATION_INVALID_FORMAT"]),
    ("9110 8.6", "a body", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Content-Length: 13\r\n\r\n{\"title\":\"x\"}",
        Probe, "201 probe", &["date: "]),
    ("9112 6.3", "the same length twice", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Content-Length: 13\r\n\
        Content-Length: 13\r\n\r\n{\"title\":\"x\"}",
        Probe, "201 probe", &[]),
    ("9112 6.3", "two lengths", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Content-Length: 13\r\n\
        Content-Length: 14\r\n\r\n{\"title\":\"x\"}",
        Probe, "400 end", &[]),
    ("9112 6.3", "a list of lengths", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Length: 2, 2\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9110 8.6", "a length with a sign", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Length: +2\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9110 8.6", "a negative length", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Length: -2\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9110 8.6", "a length in base 16", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Length: 0x2\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9110 8.6", "an empty length", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Length:\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9110 8.6", "a length over 64 bits", "POST <S>/join HTTP/1.1\r\n\
        <H><A><J>Content-Length: 99999999999999999999\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9110 15.5.14", "a length over the limit", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Length: 9999999999\r\n\r\n\
        {}",
        Half, "413 end",
        &["code: PAYLOAD_TOO_LARGE"]),
    ("9112 6.3", "a length and chunks", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Content-Length: 4\r\n\
        Transfer-Encoding: chunked\r\n\r\n\
        d\r\n{\"title\":\"x\"}\r\n0\r\n\r\n", Probe, "201 end", &["connection: close"]),
    ("9112 6.3", "chunks and a length", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked\r\n\
        Content-Length: 4\r\n\r\n\
        d\r\n{\"title\":\"x\"}\r\n0\r\n\r\n", Probe, "201 end", &["connection: close"]),
    ("9112 7.1", "chunks", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Transfer-Encoding: Chunked\r\n\r\n\
        5\r\n{\"tit\r\n8\r\nle\":\"x\"}\r\n0\r\n\r\n", Probe, "201 probe", &[]),
    ("9112 7.1.1", "an extension of a chunk", "POST /api/chat/sessions HTTP/1.1\r\n\
        <H><A><J>Transfer-Encoding: chunked\r\n\r\n\
        d;a=b;c=\"d\"\r\n{\"title\":\"x\"}\r\n0\r\n\r\n", Probe, "201 probe", &[]),
    ("9112 7.1.1", "a long extension of a chunk", "POST /api/chat/sessions HTTP/1.1\r\n\
        <H><A><J>Transfer-Encoding: chunked\r\n\r\n\
        d;<L>\r\n{\"title\":\"x\"}\r\n0\r\n\r\n", Probe, "400 end", &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 7.1.2", "trailers", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked\r\n\
        Trailer: Host\r\n\r\n\
        d\r\n{\"title\":\"x\"}\r\n0\r\nHost: y\r\nContent-Length: 9\r\n\r\n", Probe, "201 probe", &[]),
    ("9112 7.1", "a size that is none", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked\r\n\r\nzz\r\n\
        {}\r\n0\r\n\r\n",
        Probe, "400 end",
        &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 7.1", "a negative size", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n\
        0\r\n\r\n",
        Probe, "400 end", &[]),
    ("9112 7.1", "a size over 64 bits", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked\r\n\r\n\
        fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        Probe, "400 end", &[]),
    ("9112 7.1", "a chunk longer than it says", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked\r\n\r\n\
        1\r\n{}\r\n0\r\n\r\n", Probe,
        "400 end", &[]),
    ("9112 7.1", "chunks with line feeds alone", "POST <S>/join HTTP/1.1\r\n\
        <H><A><J>Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        Probe, "400 end", &[]),
    ("9112 6.1", "another coding", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: gzip\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9112 6.1", "another coding in chunks", "POST <S>/join HTTP/1.1\r\n\
        <H><A><J>Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Probe,
        "501 probe", &["code: NOT_IMPLEMENTED"]),
    ("9112 6.1", "the same on two lines", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: gzip\r\n\
        Transfer-Encoding: chunked\r\n\r\n\
        2\r\n{}\r\n0\r\n\r\n", Probe, "501 probe", &[]),
    ("9112 6.1", "chunks of chunks", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked, chunked\r\n\r\n\
        2\r\n{}\r\n0\r\n\r\n", Probe,
        "501 probe", &[]),
    ("9112 6.1", "chunks that come first", "POST <S>/join HTTP/1.1\r\n\
        <H><A><J>Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        Probe, "400 end", &[]),
    ("9112 6.1", "no coding", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: identity\r\n\
        Content-Length: 2\r\n\r\n{}",
        Probe, "400 end", &[]),
    ("9112 6.1", "nearly chunked", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n\
        0\r\n\r\n",
        Probe, "400 end", &[]),
    ("9112 6.1", "a vertical tab before it", "POST <S>/join HTTP/1.1\r\n\
        <H><A><J>Transfer-Encoding: \u{b}chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Probe,
        "400 end", &[]),
    ("9112 6.1", "chunks in HTTP/1.0", "POST <S>/join HTTP/1.0\r\n<H><A><J>Transfer-Encoding: chunked\r\n\r\n2\r\n\
        {}\r\n0\r\n\r\n",
        Probe, "400 end", &[]),
    ("9110 9.3.1", "GET with a body", "GET /docs HTTP/1.1\r\n<H>Content-Length: 32\r\n\r\nGET /nowhere HTTP/1.1\r\n\
        Host: x\r\n",
        Probe, "200 probe", &[]),
    ("9110 9.3.1", "GET with chunks", "GET /docs HTTP/1.1\r\n<H>Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\
        0\r\n\r\n",
        Probe, "200 probe", &[]),
    ("9110 9.3.5", "DELETE with a body", "DELETE /api/chat/sessions/1 HTTP/1.1\r\n<H><A>Content-Length: 2\r\n\r\n{}",
        Probe, "400 probe", &[]),
    ("9112 6.3", "a refused request with a body", "POST /nowhere HTTP/1.1\r\n<H>Content-Length: 32\r\n\r\n\
        GET /nowhere HTTP/1.1\r\nHost: x\r\n", Probe,
        "404 probe", &[]),
    ("9112 8", "a body that ends early", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Length: 20\r\n\r\n{}",
        Half, "400 end",
        &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 8", "chunks that end early", "POST <S>/join HTTP/1.1\r\n<H><A><J>Transfer-Encoding: chunked\r\n\r\n2\r\n\
        {}\r\n",
        Half, "400 end",
        &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 8", "a GraphQL body that ends early", "POST /graphql HTTP/1.1\r\n<H><A><J>Content-Length: 20\r\n\r\n{}",
        Half, "400 end",
        &["code: VALIDATION_INVALID_FORMAT"]),
    ("9112 8", "a head that ends early", "GET /docs HTTP/1.1\r\nHost:", Half, "end", &[]),
    ("9112 8", "nothing", "", Half, "end", &[]),
];

#[rustfmt::skip] // A row is a line.
const CONNECTIONS: &[Row] = &[
    ("9112 9.3", "HTTP/1.1 goes on", "GET /docs HTTP/1.1\r\n<H>\r\n", Probe, "200 probe", &["!connection: close"]),
    ("9112 9.6", "close", "GET /docs HTTP/1.1\r\n<H>Connection: close\r\n\r\n",
        Probe, "200 end", &["connection: close"]),
    ("9112 9.6", "close in another case", "GET /docs HTTP/1.1\r\n<H>connection: Close\r\n\r\n",
        Probe, "200 end", &["connection: close"]),
    ("9112 9.6", "close among others", "GET /docs HTTP/1.1\r\n<H>Connection: keep-alive, close\r\n\r\n",
        Probe, "200 end", &["connection: close"]),
    ("9112 9.3", "HTTP/1.0 ends", "GET /docs HTTP/1.0\r\n<H>\r\n", Probe, "200 end", &[]),
    ("9112 9.3", "HTTP/1.0 goes on", "GET /docs HTTP/1.0\r\n<H>Connection: keep-alive\r\n\r\n",
        Probe, "200 probe", &["connection: keep-alive"]),
    ("9112 9.3.2", "several requests at once", "GET /docs HTTP/1.1\r\n<H>\r\nGET /nowhere HTTP/1.1\r\n<H>\r\n\
        GET <S> HTTP/1.1\r\n<H>\r\n", Probe,
        "200 404 401 probe", &[]),
    ("9112 9.6", "half-closed", "GET /docs HTTP/1.1\r\n<H>\r\n", Half, "200 end", &["content-type: text/html"]),
    ("9112 9.6", "half-closed, with a long answer", "GET /openapi.json HTTP/1.1\r\n<H>\r\n",
        Half, "200 end", &["\"components\""]),
    ("9112 9.6", "half-closed, HTTP/1.0", "GET /openapi.json HTTP/1.0\r\n\r\n", Half, "200 end", &["\"components\""]),
    ("9112 9.6", "half-closed, with a body", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Content-Length: 13\r\n\r\n\
        {\"title\":\"x\"}",
        Half, "201 end",
        &["\"title\":\"x\""]),
    ("9112 9.6", "half-closed, with chunks", "POST /api/chat/sessions HTTP/1.1\r\n\
        <H><A><J>Transfer-Encoding: chunked\r\n\r\n\
        d\r\n{\"title\":\"x\"}\r\n0\r\n\r\n", Half, "201 end", &["\"title\":\"x\""]),
    ("9112 9.6", "half-closed, GraphQL", "POST /graphql HTTP/1.1\r\n<H><A><J>Content-Length: 22\r\n\r\n\
        {\"query\":\"{me{id}}\"}  ",
        Half, "200 end",
        &["\"id\":\"a\""]),
    ("9112 9.6", "half-closed, several at once", "GET /docs HTTP/1.1\r\n<H>\r\nGET /nowhere HTTP/1.1\r\n<H>\r\n\
        GET <S> HTTP/1.1\r\n<H><A>\r\n", Half,
        "200 404 200 end", &[]),
    ("9110 7.8", "an upgrade that is not known", "GET /docs HTTP/1.1\r\n<H>Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        Probe, "200 probe", &[]),
    ("9110 7.8", "an upgrade where there is none", "GET /docs HTTP/1.1\r\n<H>Connection: Upgrade\r\n\
        Upgrade: websocket\r\n\r\n",
        Probe, "200 probe", &[]),
];

#[rustfmt::skip] // A row is a line.
const SEMANTICS: &[Row] = &[
    ("9110 8.4", "a compressed body", "POST <S>/join HTTP/1.1\r\n<H><A><J>Content-Encoding: gzip\r\n\
        Content-Length: 2\r\n\r\n\u{1f}\u{8b}", Probe,
        "415 probe", &["accept-encoding: identity", "!accept: ", "code: UNSUPPORTED_CONTENT_ENCODING"]),
    ("9110 8.4", "a compressed message", "POST <S>/messages HTTP/1.1\r\n<H><A><J>Content-Encoding: br\r\n\
        Content-Length: 15\r\n\r\n{\"content\":\"x\"}",
        Probe, "415 probe", &["accept-encoding: identity"]),
    ("9110 8.4", "a compressed GraphQL body", "POST /graphql HTTP/1.1\r\n<H><A><J>Content-Encoding: gzip\r\n\
        Content-Length: 2\r\n\r\n\u{1f}\u{8b}",
        Probe, "415 probe", &["accept-encoding: identity", "code: UNSUPPORTED_CONTENT_ENCODING"]),
    ("9110 8.4", "a body that is not compressed", "POST /api/chat/sessions HTTP/1.1\r\n\
        <H><A><J>Content-Encoding: identity\r\nContent-Length: 13\r\n\r\n\
        {\"title\":\"x\"}", Probe, "201 probe", &[]),
    ("9110 15.5.16", "another type", "POST /api/chat/sessions HTTP/1.1\r\n<H><A>Content-Type: text/plain\r\n\
        Content-Length: 13\r\n\r\n{\"title\":\"x\"}",
        Probe, "415 probe", &["accept: application/json", "!accept-encoding", "code: UNSUPPORTED_MEDIA_TYPE"]),
    ("9110 15.5.16", "no type", "POST /api/chat/sessions HTTP/1.1\r\n<H><A>Content-Length: 13\r\n\r\n{\"title\":\"x\"}",
        Probe, "415 probe",
        &["accept: application/json"]),
    ("9110 15.5.16", "another type for GraphQL", "POST /graphql HTTP/1.1\r\n<H><A>Content-Type: text/plain\r\n\
        Content-Length: 2\r\n\r\n{}", Probe,
        "415 probe", &["accept: application/json"]),
    ("9110 12.5.1", "a type that there is not", "GET <S>/events HTTP/1.1\r\n<H><A>Accept: image/png\r\n\r\n",
        Probe, "406 probe", &["code: NOT_ACCEPTABLE"]),
    ("9110 12.5.1", "the same for GraphQL", "GET /graphql?query=%7Bme%7Bid%7D%7D HTTP/1.1\r\n\
        <H><A>Accept: image/png\r\n\r\n",
        Probe, "406 probe",
        &["code: NOT_ACCEPTABLE"]),
    // What has one form only may disregard the header.
    ("9110 12.5.1", "a type where there is one only", "GET <S> HTTP/1.1\r\n<H><A>Accept: image/png\r\n\r\n",
        Probe, "200 probe",
        &["content-type: application/json"]),
    ("9110 12.5.3", "an encoding that there is not", "GET /docs HTTP/1.1\r\n<H>Accept-Encoding: gzip\r\n\r\n",
        Probe, "200 probe", &["!content-encoding"]),
    ("9110 13.1.1", "a change with a tag", "PUT <S> HTTP/1.1\r\n<H><A><J>If-Match: \"x\"\r\nContent-Length: 13\r\n\r\n\
        {\"title\":\"y\"}",
        Probe, "412 probe",
        &["code: PRECONDITION_FAILED"]),
    ("9110 13.1.1", "a change of what is there", "PUT <S> HTTP/1.1\r\n<H><A><J>If-Match: *\r\n\
        Content-Length: 13\r\n\r\n{\"title\":\"x\"}",
        Probe, "200 probe",
        &["\"title\":\"x\""]),
    ("9110 13.1.1", "a deletion with a tag", "DELETE <S> HTTP/1.1\r\n<H><A>If-Match: \"x\", W/\"y\"\r\n\r\n",
        Probe, "412 probe", &[]),
    ("9110 13.1.1", "GET with a tag", "GET <S> HTTP/1.1\r\n<H><A>If-Match: \"x\"\r\n\r\n", Probe, "412 probe", &[]),
    ("9110 13.1.1", "GraphQL with a tag", "POST /graphql HTTP/1.1\r\n<H><A><J>If-Match: \"x\"\r\n\
        Content-Length: 20\r\n\r\n{\"query\":\"{me{id}}\"}", Probe,
        "412 probe", &["code: PRECONDITION_FAILED"]),
    ("9110 13.2.1", "a tag without a token", "PUT <S> HTTP/1.1\r\n<H><J>If-Match: \"x\"\r\nContent-Length: 2\r\n\r\n{}",
        Probe, "401 probe", &[]),
    ("9110 13.1.2", "a change of what is not there", "PUT <S> HTTP/1.1\r\n<H><A><J>If-None-Match: *\r\n\
        Content-Length: 13\r\n\r\n{\"title\":\"y\"}", Probe,
        "412 probe", &[]),
    ("9110 13.1.2", "GET of what is new", "GET <S> HTTP/1.1\r\n<H><A>If-None-Match: \"x\"\r\n\r\n",
        Probe, "200 probe", &["!etag"]),
    ("9110 13.1.3", "GET of what has changed", "GET /docs HTTP/1.1\r\n\
        <H>If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n\r\n",
        Probe, "200 probe",
        &["!last-modified"]),
    ("9110 13.1.4", "a change since a time", "PUT <S> HTTP/1.1\r\n\
        <H><A><J>If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 13\r\n\r\n\
        {\"title\":\"x\"}", Probe, "200 probe", &[]),
    ("9110 14.2", "a range", "GET /docs HTTP/1.1\r\n<H>Range: bytes=0-5\r\n\r\n",
        Probe, "200 probe", &["!content-range"]),
    ("9110 14.2", "a range that is none", "GET /openapi.json HTTP/1.1\r\n<H>Range: bytes=9-5, x\r\n\r\n",
        Probe, "200 probe", &["!content-range"]),
    ("9110 10.1.1", "100-continue", "POST /api/chat/sessions HTTP/1.1\r\n<H><A><J>Expect: 100-Continue\r\n\
        Content-Length: 13\r\n\r\n{\"title\":\"x\"}", Probe,
        "100 201 probe", &[]),
    ("9110 10.1.1", "100-continue before a refusal", "POST <S>/join HTTP/1.1\r\n<H><J>Expect: 100-continue\r\n\
        Content-Length: 13\r\n\r\n",
        Probe, "401 end",
        &["connection: close"]),
    ("9110 10.1.1", "another expectation", "GET /docs HTTP/1.1\r\n<H>Expect: 200-ok\r\n\r\n",
        Probe, "417 probe", &["code: EXPECTATION_FAILED"]),
    ("9110 10.1.1", "two expectations", "GET /docs HTTP/1.1\r\n<H>Expect: 100-continue, tea\r\n\r\n",
        Probe, "417 probe", &["code: EXPECTATION_FAILED"]),
    ("9110 10.1.1", "another expectation of GraphQL", "GET /graphql HTTP/1.1\r\n<H>Expect: tea\r\n\r\n",
        Probe, "417 probe", &["code: EXPECTATION_FAILED"]),
    ("9110 10.1.1", "100-continue in HTTP/1.0", "POST <S>/join HTTP/1.0\r\n<H><J>Expect: 100-continue\r\n\
        Content-Length: 2\r\n\r\n{}",
        Probe, "401 end", &[]),
    ("9110 15.3.5", "204", "DELETE <D> HTTP/1.1\r\n<H><A>\r\n",
        Probe, "204 probe", &["!content-length", "!transfer-encoding", "date: "]),
    ("9110 15.5.22", "no WebSocket", "GET /ws HTTP/1.1\r\n<H>\r\n",
        Probe, "426 probe", &["upgrade: websocket", "connection: upgrade"]),
];

fn bytes_of(text: &str, token: &str, sessions: [&str; 2]) -> Vec<u8> {
    let many: String = (0..101).map(|n| format!("X-{n}: x\r\n")).collect();
    let text = [
        ("<H>", "Host: x\r\n"),
        ("<A>", &format!("Authorization: Bearer {token}\r\n")),
        ("<J>", "Content-Type: application/json\r\n"),
        ("<S>", &format!("/api/v1/chat/sessions/{}", sessions[0])),
        ("<D>", &format!("/api/v1/chat/sessions/{}", sessions[1])),
        ("<L>", &"x".repeat(70_000)),
        ("<l>", &"x".repeat(30_000)),
        ("<N>", &many),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
}

/// An error has a document with its own status, but where the library answers, which closes the connection.
fn check_error(response: &Response, closed: bool) -> Result<(), String> {
    let Some(kind) = response.header("content-type") else {
        return if closed && response.body.is_empty() { Ok(()) } else { Err("it has no document".to_owned()) };
    };
    let document: Value = serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
    let fits = match kind {
        "application/problem+json" => document["status"] == response.status && document["code"].is_string(),
        _ => document["errors"][0]["extensions"]["code"].is_string(),
    };
    if fits { Ok(()) } else { Err(format!("its document is {document}")) }
}

fn check(row: &Row, come: &[u8]) -> Result<(), String> {
    let (_, _, request, _, want, parts) = row;
    let of_head = request.starts_with("HEAD ");
    let (mut answers, rest) = responses(come, of_head);
    let probe = answers.pop_if(|last| last.is_probe()).is_some();
    let statuses = answers.iter().map(|answer| answer.status.to_string());
    let got: Vec<_> = statuses.chain([if probe { "probe" } else { "end" }.to_owned()]).collect();
    if got.join(" ") != *want || !rest.is_empty() {
        let come = String::from_utf8_lossy(&come[..come.len().min(600)]);
        return Err(format!("{} and not {want}; {come}", got.join(" ")));
    }
    for answer in answers.iter().filter(|answer| answer.status >= 400 && !of_head) {
        check_error(answer, !probe)?;
    }
    let Some(answer) = answers.iter().find(|answer| answer.status >= 200) else { return Ok(()) };
    let body = String::from_utf8_lossy(&answer.body);
    for part in *parts {
        let (wanted, part) = part.strip_prefix('!').map_or((true, *part), |part| (false, part));
        let has = match part.strip_prefix("code: ") {
            Some(code) => body.contains(&format!("\"code\":\"{code}\"")),
            None => answer.head.contains(part) || body.contains(part),
        };
        if has != wanted {
            return Err(format!("{part:?} is {}there: {}{body}", if has { "" } else { "not " }, answer.head));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_and_wrong_requests_are_answered_as_the_rfcs_ask() {
    let server = Server::start(Backend::Memory).await;
    let client = server.client("a").await;
    let sessions = [client.session("PRIVATE").await, client.session("PRIVATE").await];
    let (server, token, sessions) = (&server, &token("a"), [&*sessions[0], &*sessions[1]]);
    let rows: Vec<_> = [HEADS, METHODS, FRAMING, CONNECTIONS, SEMANTICS].concat();
    let outcomes = join_all(rows.iter().map(|row| async move {
        let (section, name, request, then, ..) = row;
        let bytes = bytes_of(request, token, sessions);
        let last = if *then == Probe { Last::Bytes(PROBE.as_bytes()) } else { Last::Half };
        let come = exchange(&server.address, &bytes, last, |_| true).await;
        check(row, &come).map_err(|fault| format!("RFC {section}, {name}: {fault}"))
    }))
    .await;
    let faults: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(faults.is_empty(), "{} rows fail:\n{}", faults.len(), faults.join("\n"));
}
