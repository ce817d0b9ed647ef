//! Names and addresses: their form, and the keys by which they are unique.

use icu_normalizer::ComposingNormalizer;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _, skeleton};

use super::AccountSettings;
use crate::{
    error::{Code, FieldError},
    model::visible::{ends_line, is_visible, turns_text},
};

pub(super) use crate::model::search::fold;

/// Longest e-mail address, in characters (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const EMAIL_CHARS: usize = 254;

/// Longest part before the `@`, in bytes (RFC 5321, section 4.5.3.1.1).
const LOCAL_BYTES: usize = 64;

/// The looks of a name: names with one look in common can be taken for each other (Unicode Technical Standard #39, section 4).
///
/// A capital letter can look like another small one, as `I` like `l`. So the name has a look as it is shown, and one as it is folded.
pub(super) fn looks(shown: &str) -> Vec<String> {
    // Some characters look like a capital letter, which looks like the small one to whoever reads names without regard to case.
    let look = |text: &str| fold(&skeleton(text).collect::<String>());
    let mut looks = vec![look(&fold(shown)), look(shown)];
    looks.dedup();
    looks
}

/// A user name with the keys by which it is unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) shown: String,
    pub(super) folded: String,
    pub(super) looks: Vec<String>,
}

/// Reads a user name.
pub(super) fn name(text: &str, settings: &AccountSettings) -> Result<Name, FieldError> {
    let refuse = |code, message: String| Err(FieldError::new("username", code, message));
    let shown = ComposingNormalizer::new_nfkc().normalize(text.trim()).into_owned();
    let (min, max) = (settings.username_min_chars, settings.username_max_chars);
    let folded = fold(&shown);
    let count = |text: &str| text.chars().take(max.saturating_add(1)).count();
    if count(&shown) > max || count(&folded) > max {
        return refuse(Code::ValidationLengthExceeded, format!("at most {max} characters"));
    }
    if count(&shown) < min {
        return refuse(Code::ValidationInvalidValue, format!("at least {min} characters"));
    }
    let is_mark = |c: char| matches!(c, '_' | '-' | '.');
    let is_plain = shown.chars().all(|c| c.is_alphanumeric() || is_mark(c));
    if !is_plain || shown.starts_with(is_mark) || shown.ends_with(is_mark) {
        let message = "letters and digits, and between them `_`, `-` and `.`".to_owned();
        return refuse(Code::ValidationInvalidValue, message);
    }
    if !shown.check_restriction_level(RestrictionLevel::HighlyRestrictive) {
        let message = "letters of one script, and none that Unicode advises against in names".to_owned();
        return refuse(Code::ValidationInvalidValue, message);
    }
    let looks = looks(&shown);
    if settings.reserved_names.iter().flat_map(|reserved| self::looks(reserved)).any(|look| looks.contains(&look)) {
        return refuse(Code::UsernameReserved, "this name is reserved; choose another one".to_owned());
    }
    Ok(Name { shown, folded, looks })
}

/// An e-mail address with the key by which it is unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Email {
    pub(super) shown: String,
    pub(super) folded: String,
}

/// Reads an e-mail address. Whether it exists shows when mail is sent to it.
pub(super) fn email(text: &str) -> Result<Email, FieldError> {
    let shown = text.trim();
    let refuse = || {
        let message = "an e-mail address, like name@example.org";
        Err(FieldError::new("email", Code::ValidationInvalidValue, message))
    };
    let Some((local, domain)) = shown.rsplit_once('@') else { return refuse() };
    let is_long = shown.chars().take(EMAIL_CHARS + 1).count() > EMAIL_CHARS || local.len() > LOCAL_BYTES;
    let is_local = !local.is_empty()
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    if is_long || !is_local || !domain.contains('.') || !domain.split('.').all(is_label) {
        return refuse();
    }
    Ok(Email { shown: shown.to_owned(), folded: fold(shown) })
}

/// Reads a text of one line or, with `many_lines`, of several. Nothing visible is no text.
pub(super) fn text(field: &str, text: &str, max: usize, many_lines: bool) -> Result<Option<String>, FieldError> {
    let text = text.trim();
    if text.chars().take(max.saturating_add(1)).count() > max {
        return Err(FieldError::new(field, Code::ValidationLengthExceeded, format!("at most {max} characters")));
    }
    let is_break = |c: char| matches!(c, '\n' | '\r' | '\t');
    let disturbs = |c: char| {
        if many_lines { c.is_control() && !is_break(c) } else { c.is_control() || ends_line(c) || turns_text(c) }
    };
    if text.chars().any(disturbs) {
        let message = "control characters, and characters that end or turn a line, are not allowed";
        return Err(FieldError::new(field, Code::ValidationInvalidValue, message));
    }
    Ok(is_visible(text).then(|| text.to_owned()))
}

/// Reads a name to show.
pub(super) fn display_name(name: &str, settings: &AccountSettings) -> Result<String, FieldError> {
    let missing = || {
        let message = "at least 1 character that can be seen";
        FieldError::new("display_name", Code::ValidationRequiredField, message)
    };
    text("display_name", name, settings.display_name_chars, false)?.ok_or_else(missing)
}

/// Reads the address of a picture.
pub(super) fn avatar_url(url: &str, settings: &AccountSettings) -> Result<Option<String>, FieldError> {
    let url = text("avatar_url", url, settings.avatar_url_chars, false)?;
    let is_web = |url: &str| {
        let after = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        (after("https://") || after("http://")) && !url.contains(char::is_whitespace)
    };
    match url {
        Some(url) if !is_web(&url) => {
            let message = "an address that begins with https:// or http://";
            Err(FieldError::new("avatar_url", Code::ValidationInvalidValue, message))
        }
        url => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<Code> {
        name(text, &AccountSettings::default()).err().map(|fault| fault.code)
    }

    #[test]
    fn names_that_are_written_alike_or_look_alike_have_one_key() {
        let settings = AccountSettings::default();
        let read = |text: &str| name(text, &settings).unwrap();
        for (one, other) in [("Ada", "ada"), ("ＡＤＡ", "ada"), (" straße ", "STRASSE"), ("e\u{301}lan", "Élan")] {
            assert_eq!(read(one).folded, read(other).folded, "{one} {other}");
        }
        // Cyrillic letters, a digit for a letter, and a digit for a capital letter.
        let alike = |one: &str, other: &str| read(one).looks.iter().any(|look| read(other).looks.contains(look));
        for (one, other) in [("paypal", "раураӏ"), ("userl", "user1"), ("bobo", "bob0"), ("paypal", "paypaI")] {
            assert!(alike(one, other) && alike(other, one), "{one} {other}");
        }
        assert!(!alike("ada", "eve"));
    }

    #[test]
    fn names_have_a_form() {
        for good in ["ada", "a.b-c_d", "ada99", "имя", "名前です", "müller"] {
            assert_eq!(code(good), None, "{good}");
        }
        let invalid = [
            "ab",
            "  a  ",
            "a b",
            "a@b",
            "a/b",
            ".ab",
            "ab-",
            "a\u{200b}b",
            "a\u{202e}bc",
            "p\u{430}ypal",
            "\u{1f600}\u{1f600}\u{1f600}",
        ];
        for bad in invalid {
            assert_eq!(code(bad), Some(Code::ValidationInvalidValue), "{bad:?}");
        }
        assert_eq!(code(&"a".repeat(33)), Some(Code::ValidationLengthExceeded));
        for reserved in
            ["admin", "ADMIN", "ＡＤＭＩＮ", "5ystem".replace('5', "s").as_str(), "r00t", "deleted", "deIeted", "heIp"]
        {
            assert_eq!(code(reserved), Some(Code::UsernameReserved), "{reserved}");
        }
    }

    #[test]
    fn addresses_have_a_form() {
        for good in ["a@b.c", "A.B+c@Example.org", "o'hara@example.org", "jürgen@bücher.example"] {
            assert!(email(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "", "a", "@b.c", "a@", "a@b", "a b@c.d", "a@b..c", "a@-b.c", ".a@b.c", "a\n@b.c", "<a@b.c>", "a,b@c.d",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert_eq!(email("A@Example.ORG").unwrap().folded, email("a@example.org").unwrap().folded);
    }
}
