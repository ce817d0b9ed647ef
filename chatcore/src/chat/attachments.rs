//! Checks of what messages carry besides their content, and of metadata.

use serde_json::Value;

use super::decide::validate::Faults;
use crate::{
    error::Code,
    model::{Attachment, Metadata, visible::is_visible},
};

/// Maximum number of attachments of one message.
pub const MAX_ATTACHMENTS: usize = 10;

/// Maximum size of the metadata of one message or session, in bytes of compact JSON.
pub const MAX_METADATA_BYTES: usize = 4_096;

/// Maximum nesting of objects and lists in metadata; the metadata itself is the first level.
pub const MAX_METADATA_DEPTH: usize = 8;

/// The largest whole number that every client can tell from its neighbours (RFC 8259, section 6).
const LARGEST: u64 = (1 << 53) - 1;

/// Whether a text is a type and a subtype (RFC 6838, section 4.2).
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=127).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(allowed)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

impl Faults {
    pub(super) fn attachments(&mut self, attachments: &[Attachment]) {
        let mut fault = |message: &str| self.add("attachments", Code::ValidationInvalidValue, message.to_owned());
        if attachments.len() > MAX_ATTACHMENTS {
            return fault(&format!("at most {MAX_ATTACHMENTS} attachments"));
        }
        for Attachment { id, name, media_type, size } in attachments {
            let is_line = |text: &str, max: usize| {
                (1..=max).contains(&text.chars().take(max + 1).count()) && !text.chars().any(char::is_control)
            };
            if !is_line(id, 128) {
                fault("an id has 1 to 128 characters, none of them a control character");
            }
            if !is_line(name, 256) || !is_visible(name) {
                fault("a name has 1 to 256 characters, none of them a control character, and some that can be seen");
            }
            if !is_media_type(media_type) {
                fault("a media type is a type and a subtype, like image/png");
            }
            if *size > LARGEST {
                fault("a size is at most 2^53 - 1");
            }
        }
    }

    pub(super) fn metadata(&mut self, metadata: &Metadata) {
        let mut fault = |message: String| self.add("metadata", Code::ValidationInvalidValue, message);
        if serde_json::to_vec(metadata).map_or(usize::MAX, |bytes| bytes.len()) > MAX_METADATA_BYTES {
            fault(format!("at most {MAX_METADATA_BYTES} bytes of JSON"));
        } else if metadata.0.values().any(|value| is_deeper(value, MAX_METADATA_DEPTH - 1)) {
            fault(format!("at most {MAX_METADATA_DEPTH} levels of objects and lists"));
        } else if metadata.0.values().any(has_large_number) {
            fault("whole numbers from -2^53 + 1 to 2^53 - 1".to_owned());
        }
    }
}

/// Whether a value has more levels of objects and lists.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(rest) = levels.checked_sub(1) else { return value.is_object() || value.is_array() };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, rest)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, rest)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn has_large_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_u64().is_some_and(|number| number > LARGEST)
                || number.as_i64().is_some_and(|number| number.unsigned_abs() > LARGEST)
        }
        Value::Array(items) => items.iter().any(has_large_number),
        Value::Object(fields) => fields.values().any(has_large_number),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn media_types_are_those_of_the_rfc() {
        for good in ["image/png", "application/vnd.oasis.opendocument.text", "text/x+y", "A/b"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in ["", "image", "image/", "/png", "image/png/x", "image /png", "image/png; q=1", "-a/b", "\u{e4}/b"] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }

    #[test]
    fn levels_and_numbers_are_counted() {
        assert!(!is_deeper(&json!(1), 0) && is_deeper(&json!([]), 0) && !is_deeper(&json!([]), 1));
        assert!(is_deeper(&json!({ "a": [{}] }), 2) && !is_deeper(&json!({ "a": [{}] }), 3));
        assert!(has_large_number(&json!([{ "a": 1_u64 << 53 }])) && has_large_number(&json!(-(1_i64 << 53))));
        assert!(!has_large_number(&json!([LARGEST, 1e300, "1"])));
    }
}
