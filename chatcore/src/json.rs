//! What JSON from clients must satisfy beside its syntax.

use std::{collections::HashSet, fmt, mem};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use crate::error::{Code, Error, FieldError};

/// The path of the first key that an object of this JSON text has twice, at any depth, like `data.content.iv`; `None` where
/// there is none, and for a text that is no JSON.
///
/// Parsers differ in which of two values they take (RFC 8259, section 4), so what a proxy has checked would not be what the
/// chat does. Every transport therefore refuses such a text.
#[must_use]
pub fn repeated_key(text: &[u8]) -> Option<String> {
    let mut search = Search { path: String::new(), found: None };
    // A fault in the syntax is for the parser of the request to report.
    let _ = search.deserialize(&mut serde_json::Deserializer::from_slice(text));
    search.found
}

struct Search {
    /// Where the search is.
    path: String,
    found: Option<String>,
}

impl<'de> DeserializeSeed<'de> for &mut Search {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Search {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let length = self.path.len();
        for index in 0_usize.. {
            self.path.push_str(&format!("[{index}]"));
            if items.next_element_seed(&mut *self)?.is_none() {
                break;
            }
            self.path.truncate(length);
        }
        self.path.truncate(length);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let length = self.path.len();
        let mut keys = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if !keys.insert(key) {
                self.found = Some(mem::take(&mut self.path));
                return Err(A::Error::custom("a key is given twice"));
            }
            fields.next_value_seed(&mut *self)?;
            self.path.truncate(length);
        }
        Ok(())
    }
}

/// Parses JSON from a client: what is no JSON cannot be parsed, what is JSON of another shape, or has a key twice, is not
/// acceptable.
///
/// # Errors
/// [`Malformed`](Error::Malformed) for what is no JSON; [`Invalid`](Error::Invalid), with the path of the field, for JSON of another
/// shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let repeated = |field| Error::invalid(field, Code::ValidationInvalidValue, "the key is given twice");
    match repeated_key(bytes) {
        // A fault in the syntax further on comes first.
        Some(field) if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() => Err(repeated(field)),
        Some(_) | None => typed(bytes),
    }
}

/// The same for a text that was checked for repeated keys before.
///
/// # Errors
/// As [`parse`].
pub fn typed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let outcome = serde_path_to_error::deserialize(&mut deserializer);
    let malformed = |error: serde_json::Error| Error::malformed("", format!("not JSON: {error}"));
    let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let no_object = || Error::invalid("", Code::ValidationInvalidValue, "an object is needed");
    match outcome {
        // The parser would take an array's elements for an object's fields.
        Ok(_) if is_array => Err(no_object()),
        Ok(value) => deserializer.end().map_err(malformed).map(|()| value),
        // A wrong shape may come before a fault in the syntax further on, and some wrong shapes, like null for the name
        // of a variant, are reported as faults in the syntax.
        Err(error) => match serde_json::from_slice::<Value>(bytes) {
            Ok(Value::Array(_)) => Err(no_object()),
            Ok(_) => Err(Error::Invalid(vec![field_error(&error)])),
            Err(error) => Err(malformed(error)),
        },
    }
}

/// Which field was wrong, and in which way.
fn field_error(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let path = error.path().to_string();
    let text = error.inner().to_string();
    // The place in the text is of no use for somebody who let a library write it.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let named = |prefix: &str| {
        let name = text.strip_prefix(prefix)?.split('`').next()?;
        Some(if path == "." || path.ends_with(name) { name.to_owned() } else { format!("{path}.{name}") })
    };
    if let Some(field) = named("missing field `") {
        return FieldError::new(field, Code::ValidationRequiredField, "required");
    }
    if let Some(field) = named("unknown field `") {
        return FieldError::new(field, Code::ValidationInvalidValue, "there is no such field");
    }
    let field = if path == "." { String::new() } else { path };
    let text = if text == "expected value" { "a value of another type is needed" } else { text };
    let message: String = text.chars().take(200).collect();
    FieldError::new(field, Code::ValidationInvalidValue, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_given_twice_is_found_at_any_depth() {
        for (text, found) in [
            (r#"{"a": 1, "a": 1}"#, Some("a")),
            (r#"{"a": 1, "\u0061": null}"#, Some("a")),
            (r#"{"a": {"b": 1, "c": [], "b": 2}}"#, Some("a.b")),
            (r#"{"a": [{"b": 1}, {"b": 1, "b": 1}]}"#, Some("a[1].b")),
            (r#"[1, {"": 1, "": 1}]"#, Some("[1].")),
            (r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}], "A": 1}"#, None),
            (r#"{"a": 1, "a": "#, Some("a")),
            (r#"{"a": 1, oops"#, None),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(repeated_key(text.as_bytes()).as_deref(), found, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(repeated_key(deep.as_bytes()), None);
    }
}
