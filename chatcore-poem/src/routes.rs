//! Which methods a path has, told by the OpenAPI document.

use std::collections::BTreeSet;

use poem::http::HeaderValue;
use serde_json::Value;

/// The paths of this frontend with their methods.
pub(crate) struct Routes(Vec<(Vec<Option<String>>, HeaderValue)>);

/// A path's segments; `None` where any text may stand.
fn segments(path: &str) -> Vec<Option<String>> {
    let segment = |text: &str| (!text.starts_with('{')).then(|| text.to_owned());
    path.split('/').map(segment).collect()
}

impl Routes {
    /// The document's paths below each of the bases, and the given ones, which take GET.
    pub(crate) fn new(document: &Value, bases: &[&str], others: &[&str]) -> Self {
        let mut routes = Vec::new();
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, operations) in paths.into_iter().flatten() {
            let methods = operations.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase());
            let allow = allow(methods);
            for base in bases {
                routes.push((segments(&format!("{base}{path}")), allow.clone()));
            }
        }
        for path in others {
            routes.push((segments(path), allow(std::iter::once("GET".to_owned()))));
        }
        Self(routes)
    }

    /// The methods of a path, as the header `Allow` has them.
    pub(crate) fn allow(&self, path: &str) -> Option<HeaderValue> {
        let given: Vec<&str> = path.split('/').collect();
        let matches = |pattern: &[Option<String>]| {
            pattern.len() == given.len()
                && pattern.iter().zip(&given).all(|(want, have)| want.as_ref().is_none_or(|want| want == have))
        };
        // A literal path stands before one with a parameter in the same place.
        let literal = |pattern: &[Option<String>]| pattern.iter().filter(|segment| segment.is_some()).count();
        let found = self.0.iter().filter(|(pattern, _)| matches(pattern)).max_by_key(|(pattern, _)| literal(pattern));
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
