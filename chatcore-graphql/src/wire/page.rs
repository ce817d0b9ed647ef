//! The GraphiQL page.

/// A page to try the schema out, to be served at the path of the endpoint itself. It loads its code from unpkg.com: exactly the
/// files that it was tried with. A header `Authorization` that is set in its editor of headers goes with the requests, and for
/// subscriptions into the payload of `connection_init`.
#[must_use]
pub const fn graphiql() -> &'static str {
    include_str!("graphiql.html")
}
