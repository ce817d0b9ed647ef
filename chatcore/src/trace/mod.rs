//! Spans of requests, use cases and the store, and the traces of callers that they belong to.
//!
//! A request has a [`RequestSpan`] at the level `info`. Within it each use case of the chat has a span at the level `debug`, and within
//! that each call of the store. A disabled span costs the look at one static flag. No field of a span holds a text of a user, a token, or an
//! e-mail address.
//!
//! | span | fields |
//! |---|---|
//! | `request` | `request_id`, `trace_id`, `transport`, `method`, `operation`, `user`, `status`, `code`, `elapsed_us` |
//! | the name of the use case, such as `send` | `session`, `code` of a failure |
//! | `store.commit`, `store.facts`, `store.log`, `store.records`, `store.scan`, `store.count` | numbers of what is asked or written, `failed` |

mod context;
mod export;
mod request;
mod store;
mod use_case;

pub use context::{InvalidTraceContext, TraceContext};
pub use export::{SpanExport, export_spans};
pub use request::{ConnectionSpans, RequestSpan};
pub(crate) use store::TracedStore;
pub(crate) use use_case::{carry_out, use_case};
