//! The GraphiQL page. All its files are in the program, compressed (see `update.sh`).

use bytes::Bytes;
use chatcore::{Code, Error};
use chatcore_http::{PageStyles, page_headers};

use super::http::{HttpBody, HttpReply};

const PAGE: &str = include_str!("page.html");

/// Names with their compressed contents. A name contains the version, so a browser may keep the file.
const FILES: [(&str, &[u8]); 4] = [
    ("graphiql-4.1.2.min.css", include_bytes!("graphiql-4.1.2.min.css.gz")),
    ("graphiql-4.1.2.min.js", include_bytes!("graphiql-4.1.2.min.js.gz")),
    ("react-18.3.1.min.js", include_bytes!("react-18.3.1.min.js.gz")),
    ("react-dom-18.3.1.min.js", include_bytes!("react-dom-18.3.1.min.js.gz")),
];

const START: (&str, &str) = ("start.js", include_str!("start.js"));

/// A page to explore the schema. Serve the page at the path of the endpoint itself, together with its [files](graphiql_file). The page
/// loads nothing from another host. The page sends a header `Authorization` from its editor of headers with the requests, and for
/// subscriptions in the payload of `connection_init`.
#[must_use]
pub fn graphiql() -> HttpReply {
    let mut headers: Vec<_> =
        page_headers(PAGE, PageStyles::Any).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    headers.push(("Vary".to_owned(), "Accept".to_owned()));
    HttpReply { status: 200, headers, body: HttpBody::Full(Bytes::from_static(PAGE.as_bytes())) }
}

/// A file of the [page](graphiql), which names its files by a query without a path: `?file=NAME`. `None` for every other query. Answer
/// `GET` and `HEAD` with the file before other checks of the request. A missing file gives 404.
#[must_use]
pub fn graphiql_file(url_query: Option<&str>) -> Option<HttpReply> {
    let name = url_query?.strip_prefix("file=")?;
    let kind = if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    let mut headers = vec![("Content-Type", kind), ("X-Content-Type-Options", "nosniff")];
    let body = if let Some((_, compressed)) = FILES.iter().find(|(known, _)| *known == name) {
        headers.extend([("Content-Encoding", "gzip"), ("Cache-Control", "public, max-age=31536000, immutable")]);
        Bytes::from_static(compressed)
    } else if name == START.0 {
        headers.push(("Cache-Control", "no-cache"));
        Bytes::from_static(START.1.as_bytes())
    } else {
        let detail = "the page has no such file";
        return Some(HttpReply::of_error(&Error::Refused { code: Code::ResourceNotFound, detail }, None));
    };
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(HttpReply { status: 200, headers, body: HttpBody::Full(body) })
}
