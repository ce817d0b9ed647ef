//! Times from clients.

use chrono::{DateTime, Datelike as _, Utc};

use super::InvalidId;

/// Parses a time from a client: RFC 3339, in the years 0000 to 9999 of UTC. A time in another year has no form in RFC 3339, so the server
/// could not show it.
///
/// # Errors
/// [`InvalidId`] for any other text.
pub fn parse_time(text: &str) -> Result<DateTime<Utc>, InvalidId> {
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    time.filter(|time| (0..=9_999).contains(&time.year())).ok_or(InvalidId {
        kind: "time",
        expected: "an RFC 3339 time of the years 0000 to 9999, like 2026-01-01T00:00:00Z",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_can_be_written_again() {
        for (text, expected) in [
            ("2026-01-01T12:00:00Z", Some("2026-01-01T12:00:00+00:00")),
            ("2026-01-01T12:00:00.123456789+02:00", Some("2026-01-01T10:00:00.123456789+00:00")),
            ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00+00:00")),
            ("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59+00:00")),
            ("9999-12-31T23:59:59-01:00", None),
            ("0000-01-01T00:00:00+01:00", None),
            ("+262142-12-31T23:59:59Z", None),
            ("2030-1-2 3:4:5UTC", None),
            ("2026-01-01T12:00:00", None),
            ("2026-01-01", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text).ok().map(|time| time.to_rfc3339()).as_deref(), expected, "{text:?}");
        }
    }
}
