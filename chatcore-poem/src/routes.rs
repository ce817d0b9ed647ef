//! The methods of a path and the query parameters of an operation, as the OpenAPI document has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use poem::http::{HeaderValue, Method};
use serde_json::Value;

/// Paths with their methods.
pub(crate) enum Routes {
    /// Those of the REST operations.
    Operations(Vec<Operations>),
    /// Any path, which takes GET.
    Get,
}

/// The operations at a path.
pub(crate) struct Operations {
    pattern: Vec<Option<String>>,
    /// The header `Allow`.
    allow: HeaderValue,
    /// Each operation, by its method in capital letters.
    by_method: BTreeMap<String, Operation>,
}

/// The names of the query parameters that an operation takes.
#[derive(Debug, Clone)]
pub(crate) struct Parameters(Arc<[String]>);

/// An operation of the document.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// The `operationId`.
    pub(crate) id: Arc<str>,
    pub(crate) parameters: Parameters,
}

impl Operation {
    fn of(operation: &Value) -> Self {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        Self { id: id.into(), parameters: Parameters::of(operation) }
    }
}

impl Parameters {
    fn of(operation: &Value) -> Self {
        let all = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let of_query = all.filter(|parameter| parameter.get("in").is_some_and(|place| place == "query"));
        let name = |parameter: &Value| parameter.get("name")?.as_str().map(str::to_owned);
        Self(of_query.filter_map(name).collect())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(String::as_str)
    }
}

/// A path's segments; `None` where any text may stand.
fn segments(path: &str) -> Vec<Option<String>> {
    let segment = |text: &str| (!text.starts_with('{')).then(|| text.to_owned());
    path.split('/').map(segment).collect()
}

impl Default for Routes {
    fn default() -> Self {
        Self::Operations(Vec::new())
    }
}

impl Routes {
    /// Adds a document's paths below each of the bases.
    pub(crate) fn add(&mut self, document: &Value, bases: &[&str]) {
        let Self::Operations(routes) = self else { return };
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, operations) in paths.into_iter().flatten() {
            let operations = operations.as_object().into_iter().flatten();
            let by_method: BTreeMap<_, _> =
                operations.map(|(method, operation)| (method.to_uppercase(), Operation::of(operation))).collect();
            for base in bases {
                let (pattern, allow) = (segments(&format!("{base}{path}")), allow(by_method.keys().cloned()));
                routes.push(Operations { pattern, allow, by_method: by_method.clone() });
            }
        }
    }

    /// The operations at a path; `None` where there are none, and where any path takes GET.
    fn operations(&self, path: &str) -> Option<&Operations> {
        let Self::Operations(routes) = self else { return None };
        let given: Vec<&str> = path.split('/').collect();
        let matches = |pattern: &[Option<String>]| {
            pattern.len() == given.len()
                && pattern.iter().zip(&given).all(|(want, have)| want.as_ref().is_none_or(|want| want == have))
        };
        // A literal path stands before one with a parameter in the same place.
        let literal = |route: &&Operations| route.pattern.iter().filter(|segment| segment.is_some()).count();
        routes.iter().filter(|route| matches(&route.pattern)).max_by_key(literal)
    }

    /// The methods of a path, as the header `Allow` has them.
    pub(crate) fn allow(&self, path: &str) -> Option<HeaderValue> {
        match self {
            Self::Operations(_) => Some(self.operations(path)?.allow.clone()),
            Self::Get => Some(allow(std::iter::once("GET".to_owned()))),
        }
    }

    /// The operation with this method at a path.
    pub(crate) fn operation(&self, path: &str, method: &Method) -> Option<&Operation> {
        // HEAD is answered as GET.
        let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
        self.operations(path)?.by_method.get(method.as_str())
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
