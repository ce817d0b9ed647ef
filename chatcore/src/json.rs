//! What JSON from clients must satisfy beside its syntax.

use std::{collections::HashSet, fmt, mem};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

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
