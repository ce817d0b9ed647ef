//! The GraphiQL page and its files.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

use std::io::Read as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chatcore_graphql::{HttpBody, HttpReply, graphiql, graphiql_file};
use sha2::{Digest as _, Sha384};

fn text(reply: &HttpReply) -> Vec<u8> {
    let HttpBody::Full(body) = &reply.body else { panic!("events") };
    if header(reply, "Content-Encoding") != Some("gzip") {
        return body.to_vec();
    }
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
    text
}

fn header<'a>(reply: &'a HttpReply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The values of an attribute, in order.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!(" {name}=\"");
    page.split(&open).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_page_loads_its_own_files_only_and_checks_them() {
    let page = graphiql();
    let html = String::from_utf8(text(&page)).unwrap();
    assert!(!html.contains("//"), "it names another host");
    let sources = [attributes(&html, "href"), attributes(&html, "src")].concat();
    assert_eq!(sources.len(), 5);
    for source in &sources {
        let query = source.strip_prefix('?').unwrap();
        let file = graphiql_file(Some(query)).unwrap();
        assert_eq!((file.status, header(&file, "X-Content-Type-Options")), (200, Some("nosniff")), "{source}");
        if *source == "?file=start.js" {
            assert!(!String::from_utf8(text(&file)).unwrap().contains("http:"));
            continue;
        }
        let hash = format!("sha384-{}", BASE64_STANDARD.encode(Sha384::digest(text(&file))));
        assert!(attributes(&html, "integrity").contains(&hash.as_str()), "{source} is not {hash}");
    }
    let policy = header(&page, "Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
    assert!(policy.contains("connect-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[test]
fn other_queries_are_no_files() {
    for query in [None, Some(""), Some("query=%7Bhello%7D"), Some("query={hello}&file=start.js")] {
        assert!(graphiql_file(query).is_none(), "{query:?}");
    }
    for query in ["file=", "file=../mod.rs", "file=start.js&x", "file=graphiql-4.1.2.min.js.gz"] {
        assert_eq!(graphiql_file(Some(query)).unwrap().status, 404, "{query}");
    }
}
