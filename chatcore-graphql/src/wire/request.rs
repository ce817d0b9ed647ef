//! Requests, from what carries them to what the schema takes.

use crate::{error::coded, guard, source};
use async_graphql::{
    Data, Pos, Request, ServerError, Value, Variables,
    parser::{
        self, parse_query,
        types::{OperationDefinition, OperationType, VariableDefinition},
    },
};
use chatcore::{Code, json::repeated_key};
use serde_json::{Map, Value as Json};

/// The parameters of a request (GraphQL over HTTP, "Request Parameters"), each of the right type.
#[derive(Debug)]
pub(crate) struct Parameters {
    query: String,
    operation_name: Option<String>,
    variables: Variables,
    extensions: Value,
}

/// A request whose document has been parsed, with the type of the operation that it selects.
pub(crate) struct Operation {
    pub(crate) request: Request,
    /// `None` where it selects none: to say so is left to the schema.
    pub(crate) kind: Option<OperationType>,
}

impl Parameters {
    /// From JSON. Parameters that are not known are ignored: the specification reserves them.
    ///
    /// # Errors
    /// What is wrong with it, where it is not well-formed.
    pub(crate) fn from_json(json: Json) -> Result<Self, String> {
        let Json::Object(mut json) = json else {
            return Err(format!("a request is a JSON object, this is {}", kind_of(&json)));
        };
        let query = match json.remove("query") {
            Some(Json::String(query)) => query,
            None => return Err("`query` is missing".to_owned()),
            Some(other) => return Err(format!("`query` is a string, this is {}", kind_of(&other))),
        };
        let operation_name = match json.remove("operationName") {
            None | Some(Json::Null) => None,
            Some(Json::String(name)) => Some(name),
            Some(other) => return Err(format!("`operationName` is a string, this is {}", kind_of(&other))),
        };
        let variables = object(&mut json, "variables")?;
        let extensions = object(&mut json, "extensions")?;
        Ok(Self { query, operation_name, variables: Variables::from_value(variables), extensions })
    }

    /// From the query of a URL.
    ///
    /// # Errors
    /// What is wrong with it, where it is not well-formed.
    pub(crate) fn from_url(url_query: &str) -> Result<Self, String> {
        let mut json = Map::new();
        for (name, value) in form_urlencoded::parse(url_query.as_bytes()) {
            let value = match &*name {
                "query" => Json::String(value.into_owned()),
                "operationName" if value.is_empty() => Json::Null,
                "operationName" => Json::String(value.into_owned()),
                "variables" | "extensions" => {
                    if let Some(key) = repeated_key(value.as_bytes()) {
                        return Err(given_twice(&format!("{name}.{key}")));
                    }
                    serde_json::from_str(&value).map_err(|error| format!("`{name}` is not JSON: {error}"))?
                }
                _ => continue,
            };
            if json.insert(name.clone().into_owned(), value).is_some() {
                return Err(format!("`{name}` is given twice"));
            }
        }
        Self::from_json(Json::Object(json))
    }

    /// Parses the document.
    ///
    /// # Errors
    /// The errors of the request, where it cannot be parsed.
    pub(crate) fn parse(self, data: Data) -> Result<Operation, Vec<ServerError>> {
        let Self { query, operation_name, variables, extensions } = self;
        // The schema looks at all of its limits, but the parser is here, and recurses without one.
        let query = source::read(&query, usize::MAX).map_err(|error| vec![error])?.into_owned();
        let document = parse_query(&query).map_err(|error| vec![not_parsed(error)])?;
        let operation = guard::selected(&document, operation_name.as_deref()).map(|operation| &operation.node);
        let missing = operation.map(|operation| missing(operation, &variables)).unwrap_or_default();
        if !missing.is_empty() {
            return Err(missing);
        }
        let kind = operation.map(|operation| operation.ty);
        let mut request = Request::new(query).variables(variables);
        request.operation_name = operation_name;
        if let Value::Object(extensions) = extensions {
            request.extensions.0 = extensions.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        }
        request.data = data;
        request.set_parsed_query(document);
        Ok(Operation { request, kind })
    }
}

/// What is wrong with JSON that has a key twice.
pub(crate) fn given_twice(key: &str) -> String {
    format!("`{key}` is given twice")
}

/// An optional map.
fn object(json: &mut Map<String, Json>, name: &str) -> Result<Value, String> {
    match json.remove(name) {
        None | Some(Json::Null) => Ok(Value::Object(Default::default())),
        Some(value @ Json::Object(_)) => {
            Value::from_json(value).map_err(|error| format!("`{name}` cannot be taken: {error}"))
        }
        Some(other) => Err(format!("`{name}` is an object, this is {}", kind_of(&other))),
    }
}

/// The type of a JSON value, as messages name it.
pub(crate) fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

fn not_parsed(error: parser::Error) -> ServerError {
    let code = match &error {
        parser::Error::RecursionLimitExceeded => Code::ResourceLimitExceeded,
        parser::Error::Syntax { .. }
        | parser::Error::MultipleRoots { .. }
        | parser::Error::MissingQueryRoot { .. }
        | parser::Error::MultipleOperations { .. }
        | parser::Error::OperationDuplicated { .. }
        | parser::Error::FragmentDuplicated { .. }
        | parser::Error::MissingOperation => Code::ValidationInvalidFormat,
        // The enum may grow.
        _ => Code::ValidationInvalidFormat,
    };
    let mut error = ServerError::from(error);
    error.extensions.get_or_insert_default().set("code", code.as_str());
    error
}

/// The variables that must be given and are not (`CoerceVariableValues()`): async-graphql only notices where one is used,
/// when the rest of the operation has been executed already.
fn missing(operation: &OperationDefinition, variables: &Variables) -> Vec<ServerError> {
    let definitions = operation.variable_definitions.iter().map(|definition| (definition.pos, &definition.node));
    let missing = definitions.filter(|(_, definition)| {
        let given = variables.get(&definition.name.node);
        let needed = !definition.var_type.node.nullable && definition.default_value.is_none();
        needed && given.is_none_or(|value| *value == Value::Null)
    });
    let error = |(at, definition): (Pos, &VariableDefinition)| {
        let message = format!("the variable `${}` of type `{}` is missing", definition.name, definition.var_type);
        ServerError { locations: vec![at], ..coded(message, Code::ValidationRequiredField) }
    };
    missing.map(error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::NESTING;

    #[test]
    fn documents_at_the_limit_are_parsed() {
        // On the small stack that a worker of the runtime has.
        for text in [
            format!("{{a(x:{}{})}}", "[".repeat(NESTING - 2), "]".repeat(NESTING - 2)),
            format!("{}a{}", "{a ".repeat(NESTING - 1), "}".repeat(NESTING - 1)),
            format!("{{a(x:{}1{})}}", "{a:".repeat(NESTING - 2), "}".repeat(NESTING - 2)),
            format!("query($a:{}Int{}){{a}}", "[".repeat(NESTING - 1), "]".repeat(NESTING - 1)),
        ] {
            let parse = move || {
                let parameters = serde_json::json!({ "query": text });
                let _ = Parameters::from_json(parameters).map(|it| it.parse(Data::default()).is_ok());
            };
            std::thread::Builder::new().stack_size(2 << 20).spawn(parse).unwrap().join().unwrap();
        }
    }
}
