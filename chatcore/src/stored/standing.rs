//! Standings of users. The stored form is the type itself, whose fields may all be absent.

use super::{from_json, to_json};
use crate::{
    model::UserStanding,
    store::{Json, Part, StoredValue},
};

impl StoredValue for UserStanding {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
