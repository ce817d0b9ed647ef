//! Checks what a server answers against its own OpenAPI document.

use serde_json::Value;

/// A server's OpenAPI document.
#[derive(Debug)]
pub struct Document(Value);

impl Document {
    /// Takes the document from the server at this address.
    pub async fn of(http: &reqwest::Client, address: &str) -> Self {
        let answer = http.get(format!("http://{address}/openapi.json")).send().await.unwrap();
        Self(answer.json().await.unwrap())
    }

    /// Checks that the operation declares this status, and that the body has the shape that it declares. Paths and methods
    /// that are not in the document have nothing to check.
    pub fn check(&self, method: &str, path: &str, status: u16, body: &Value) {
        let Some(path) = ["/api/v1/chat", "/api/chat"].iter().find_map(|base| path.strip_prefix(base)) else { return };
        let path = path.split('?').next().unwrap();
        let given: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &str| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            pattern.len() == given.len() && pattern.iter().zip(&given).all(|(p, g)| p.starts_with('{') || p == g)
        };
        let paths = self.0["paths"].as_object().unwrap();
        // A literal path stands before one with a parameter in the same place.
        let Some(found) = paths.get(path).or_else(|| paths.iter().find(|(p, _)| fits(p)).map(|(_, found)| found))
        else {
            return;
        };
        let Some(operation) = found.get(method.to_lowercase()) else { return };
        let response = &operation["responses"][status.to_string()];
        assert!(!response.is_null(), "{method} {path} does not declare {status}");
        if let Some((_, content)) = response["content"].as_object().and_then(|content| content.iter().next()) {
            self.fits(&content["schema"], body, &format!("{method} {path} {status}"));
        }
    }

    fn fits(&self, schema: &Value, value: &Value, place: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return self.fits(&self.0["components"]["schemas"][name], value, place);
        }
        if value.is_null() {
            let free = schema.as_object().is_none_or(|schema| !schema.contains_key("type"));
            assert!(schema["nullable"] == true || free, "{place} is null");
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.fits(part, value, place);
        }
        match schema["type"].as_str() {
            Some("object") => {
                let (fields, declared) = (value.as_object().expect(place), schema["properties"].as_object());
                for required in schema["required"].as_array().into_iter().flatten() {
                    assert!(fields.contains_key(required.as_str().unwrap()), "{place} lacks {required}");
                }
                // An object without declared fields takes any, like metadata.
                let free = declared.is_none();
                for (name, value) in fields.iter().filter(|_| !free) {
                    let declared = declared.and_then(|declared| declared.get(name));
                    let schema = declared.unwrap_or_else(|| panic!("{place}.{name} is not declared"));
                    self.fits(schema, value, &format!("{place}.{name}"));
                }
            }
            Some("array") => {
                for value in value.as_array().expect(place) {
                    self.fits(&schema["items"], value, &format!("{place}[]"));
                }
            }
            Some("string") => {
                let text = value.as_str().expect(place);
                let named = schema["enum"].as_array();
                assert!(named.is_none_or(|names| names.iter().any(|name| name == text)), "{place}: {text}");
            }
            Some("integer") => assert!(value.is_u64() || value.is_i64(), "{place}: {value}"),
            Some("boolean") => assert!(value.is_boolean(), "{place}: {value}"),
            Some(_) | None => {}
        }
    }
}
