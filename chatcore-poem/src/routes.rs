//! Which methods a path has, told by the OpenAPI document.

use std::collections::BTreeSet;

use poem::http::HeaderValue;
use serde_json::Value;

/// Paths with their methods.
pub(crate) enum Routes {
    /// Those of the REST operations: segments, and the methods.
    Operations(Vec<(Vec<Option<String>>, HeaderValue)>),
    /// Any path, which takes GET.
    Get,
}

/// A path's segments; `None` where any text may stand.
fn segments(path: &str) -> Vec<Option<String>> {
    let segment = |text: &str| (!text.starts_with('{')).then(|| text.to_owned());
    path.split('/').map(segment).collect()
}

impl Routes {
    /// The document's paths below each of the bases.
    pub(crate) fn new(document: &Value, bases: &[&str]) -> Self {
        let mut routes = Vec::new();
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, operations) in paths.into_iter().flatten() {
            let methods = operations.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase());
            let allow = allow(methods);
            for base in bases {
                routes.push((segments(&format!("{base}{path}")), allow.clone()));
            }
        }
        Self::Operations(routes)
    }

    /// The methods of a path, as the header `Allow` has them.
    pub(crate) fn allow(&self, path: &str) -> Option<HeaderValue> {
        let routes = match self {
            Self::Operations(routes) => routes,
            Self::Get => return Some(allow(std::iter::once("GET".to_owned()))),
        };
        let given: Vec<&str> = path.split('/').collect();
        let matches = |pattern: &[Option<String>]| {
            pattern.len() == given.len()
                && pattern.iter().zip(&given).all(|(want, have)| want.as_ref().is_none_or(|want| want == have))
        };
        // A literal path stands before one with a parameter in the same place.
        let literal = |pattern: &[Option<String>]| pattern.iter().filter(|segment| segment.is_some()).count();
        let found = routes.iter().filter(|(pattern, _)| matches(pattern)).max_by_key(|(pattern, _)| literal(pattern));
        found.map(|(_, allow)| allow.clone())
    }
}

fn allow(methods: impl Iterator<Item = String>) -> HeaderValue {
    let mut methods: BTreeSet<String> = methods.collect();
    if methods.contains("GET") {
        methods.insert("HEAD".to_owned());
    }
    methods.insert("OPTIONS".to_owned());
    let methods: Vec<_> = methods.into_iter().collect();
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
