//! Strings, as the parser reads them rightly: without escapes of surrogate pairs and code points, and not as blocks where the
//! parser takes a block for something else.

use super::Fault;

/// A string for the parser, of the same value as one with this between its quotes; `None` where the parser reads that rightly.
///
/// # Errors
/// An escape that there is not.
pub(super) fn plain(inner: &str) -> Result<Option<String>, Fault> {
    if !inner.contains('\\') {
        return Ok(None);
    }
    let mut string = String::from("\"");
    let (mut at, mut changed) = (0, false);
    while let Some(character) = inner.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = inner.get(at..).unwrap_or_default();
        let length = if character == '\\' {
            let (length, meant) = escape(rest).map_err(|message| Fault { at, message })?;
            if let Some(meant) = meant {
                changed = true;
                push(&mut string, meant);
            } else {
                string.push_str(rest.get(..length).unwrap_or_default());
            }
            length
        } else {
            string.push(character);
            character.len_utf8()
        };
        at += length;
    }
    string.push('"');
    Ok(changed.then_some(string))
}

/// The length of an escape that stands here, and its character where the parser does not know it.
fn escape(text: &str) -> Result<(usize, Option<char>), &'static str> {
    const LONE: &str = "half a surrogate pair is no character";
    const UNKNOWN: &str = "there is no such escape";
    let Some(digits) = text.strip_prefix("\\u") else {
        let known = text.chars().nth(1).is_some_and(|name| "\"\\/bfnrt".contains(name));
        return if known { Ok((2, None)) } else { Err(UNKNOWN) };
    };
    if let Some(digits) = digits.strip_prefix('{') {
        let (digits, _) = digits.split_once('}').ok_or(UNKNOWN)?;
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(UNKNOWN);
        }
        let point = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let point = point.ok_or("an escape of what is no character of Unicode")?;
        return Ok(("\\u{}".len() + digits.len(), Some(point)));
    }
    match unit(digits).ok_or(UNKNOWN)? {
        leading @ 0xD800..=0xDBFF => {
            let trailing = digits.get(4..).and_then(|rest| unit(rest.strip_prefix("\\u")?)).ok_or(LONE)?;
            let pair = char::decode_utf16([leading, trailing]).next();
            match pair {
                Some(Ok(character)) if (0xDC00..=0xDFFF).contains(&trailing) => Ok((12, Some(character))),
                _ => Err(LONE),
            }
        }
        0xDC00..=0xDFFF => Err(LONE),
        _ => Ok((6, None)),
    }
}

/// Four hexadecimal digits.
fn unit(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
}

/// Adds a character to a string that is being written.
fn push(string: &mut String, character: char) {
    match character {
        '"' => string.push_str("\\\""),
        '\\' => string.push_str("\\\\"),
        '\n' => string.push_str("\\n"),
        '\r' => string.push_str("\\r"),
        _ => string.push(character),
    }
}

/// A string for the parser, of the same value as a block string with this between its quotes; `None` where the parser reads the
/// block rightly.
pub(super) fn plain_of_block(inner: &str) -> Option<String> {
    let lines = lines(inner);
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_blank = |line: &str| indent(line) == line.len();
    let common = lines.iter().skip(1).filter(|line| !is_blank(line)).map(|line| indent(line)).min().unwrap_or(0);
    // What the parser would leave as it is.
    let short = |line: &&str| is_blank(line) && !line.is_empty() && line.len() < common;
    if !inner.contains("\\\"\"\"") && !lines.iter().skip(1).any(short) {
        return None;
    }
    let shown: Vec<&str> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| if number == 0 { line } else { line.get(common..).unwrap_or_default() })
        .collect();
    let first = shown.iter().position(|line| !is_blank(line)).unwrap_or(shown.len());
    let end = shown.iter().rposition(|line| !is_blank(line)).map_or(first, |last| last + 1);
    let value = shown.get(first..end).unwrap_or_default().join("\n").replace("\\\"\"\"", "\"\"\"");
    let mut string = String::from("\"");
    value.chars().for_each(|character| push(&mut string, character));
    string.push('"');
    Some(string)
}

/// The lines of a text, whichever of the three terminators they have.
fn lines(text: &str) -> Vec<&str> {
    text.split("\r\n").flat_map(|part| part.split(['\n', '\r'])).collect()
}
