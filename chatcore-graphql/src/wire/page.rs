//! The GraphiQL page.

use async_graphql::http::GraphiQLSource;

/// What the page loads, exactly: another version could be anything.
const GRAPHIQL: &str = "4.1.2";
const REACT: &str = "18.3.1";

/// A page to try the schema out, for an endpoint at this path. A header `Authorization` that is set in its editor of headers
/// goes with the requests, and for subscriptions into the payload of `connection_init`.
#[must_use]
pub fn graphiql(path: &str) -> String {
    let page =
        GraphiQLSource::build().endpoint(path).subscription_endpoint(path).version(GRAPHIQL).title("GraphiQL").finish();
    // The template asks for the newest 18.
    page.replace("react@18/", &format!("react@{REACT}/")).replace("react-dom@18/", &format!("react-dom@{REACT}/"))
}
