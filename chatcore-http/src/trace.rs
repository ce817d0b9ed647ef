//! The span of a request over HTTP, and the headers of its trace context.

use chatcore::trace::{RequestSpan, TraceContext};
use poem::{Request, http::HeaderMap};

use crate::RequestId;

/// The caller's trace context: the one valid `traceparent`, with `tracestate` (W3C Trace Context, sections 3.2 and 3.3). `None` for a
/// missing, repeated or invalid header, which the standard requires to ignore.
#[must_use]
pub fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent").iter();
    let (parent, None) = (parents.next()?, parents.next()) else { return None };
    let context: TraceContext = parent.to_str().ok()?.parse().ok()?;
    // Several headers are one list.
    let states = headers.get_all("tracestate").iter().map(|state| state.to_str().ok());
    Some(match states.collect::<Option<Vec<_>>>() {
        Some(states) => context.with_state(&states.join(",")),
        None => context,
    })
}

/// The span of a request in its extensions. The first frontend or middleware that calls this function begins the span, and must end the
/// span with the answer: for this caller the second value is `true`.
pub fn begin_span(request: &mut Request) -> (RequestSpan, bool) {
    if let Some(span) = request.extensions().get::<RequestSpan>() {
        return (span.clone(), false);
    }
    let id = RequestId::of(request);
    let span = RequestSpan::begin(id.0.as_str(), Some(request.method().as_str()), trace_context(request.headers()));
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(span.clone());
    (span, true)
}

/// The span of a request in its extensions; `None` where no middleware began a span.
#[must_use]
pub fn span_of(request: &Request) -> Option<&RequestSpan> {
    request.extensions().get()
}

#[cfg(test)]
mod tests {
    use poem::Request;

    use super::{begin_span, span_of, trace_context};

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn request(headers: &[(&str, &str)]) -> Request {
        headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value)).finish()
    }

    #[test]
    fn the_trace_context_is_that_of_one_valid_header() {
        let read = |headers| trace_context(request(headers).headers());
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("traceparent", PARENT)]).unwrap().to_string(), PARENT);
        assert_eq!(read(&[("TraceParent", PARENT)]).unwrap().to_string(), PARENT);
        assert_eq!(read(&[("traceparent", PARENT), ("traceparent", PARENT)]), None);
        assert_eq!(read(&[("traceparent", "00-x")]), None);
        assert_eq!(read(&[("tracestate", "a=1")]), None);
        let stated = read(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]).unwrap();
        assert_eq!(stated.state(), Some("a=1,b=2"));
    }

    #[test]
    fn a_request_has_one_span_with_its_own_id() {
        let mut request = request(&[("x-request-id", "abc")]);
        assert!(span_of(&request).is_none());
        let (span, is_first) = begin_span(&mut request);
        assert_eq!((span.id(), is_first), ("abc", true));
        assert!(!begin_span(&mut request).1);
        assert_eq!(span_of(&request).unwrap().id(), "abc");
    }
}
