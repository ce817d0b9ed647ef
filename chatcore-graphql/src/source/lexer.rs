//! The tokens of a document.

use super::Fault;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Punctuator(u8),
    Spread,
    Name,
    Number,
    String,
    Block,
    /// A character that begins no token. The parser says so.
    Other,
}

/// A token, from one byte of the text to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads one token after the other.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; `None` at the end.
    ///
    /// # Errors
    /// A string or a number that is none.
    pub(super) fn next(&mut self) -> Result<Option<Token>, Fault> {
        self.skip_ignored();
        let rest = self.rest();
        let start = self.at;
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let (kind, length) = match first {
            '"' if rest.starts_with("\"\"\"") => {
                (Kind::Block, block(rest).map_err(|message| Fault { at: start, message })?)
            }
            '"' => (Kind::String, string(rest).map_err(|message| Fault { at: start, message })?),
            '.' if rest.starts_with("...") => (Kind::Spread, 3),
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                (Kind::Punctuator(rest.as_bytes().first().copied().unwrap_or_default()), 1)
            }
            _ if begins_name(first) => {
                (Kind::Name, length_while(rest, |next| begins_name(next) || next.is_ascii_digit()))
            }
            '-' | '0'..='9' => {
                let number = number(rest).ok_or(Fault { at: start, message: "this is no number" })?;
                (Kind::Number, number)
            }
            _ => (Kind::Other, first.len_utf8()),
        };
        self.at += length;
        Ok(Some(Token { kind, start, end: self.at }))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_ignored(&mut self) {
        loop {
            let rest = self.rest();
            let skipped = if rest.starts_with('#') {
                length_while(rest, |next| next != '\n' && next != '\r')
            } else {
                length_while(rest, |next| matches!(next, ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}'))
            };
            if skipped == 0 {
                return;
            }
            self.at += skipped;
        }
    }
}

const fn begins_name(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

fn length_while(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|character| !holds(character)).unwrap_or(text.len())
}

/// The length of a string that stands here.
fn string(text: &str) -> Result<usize, &'static str> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok(at + 1),
            '\n' | '\r' => break,
            '\\' => match characters.next() {
                None | Some((_, '\n' | '\r')) => break,
                Some(_) => {}
            },
            _ => {}
        }
    }
    Err("a string does not end on its line")
}

fn block(text: &str) -> Result<usize, &'static str> {
    let mut at = 3;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += if rest.starts_with("\"\"\"") {
            return Ok(at + 3);
        } else if rest.starts_with("\\\"\"\"") {
            4
        } else {
            rest.chars().next().ok_or("a block string does not end")?.len_utf8()
        };
    }
}

/// The length of a number that stands here.
fn number(text: &str) -> Option<usize> {
    let digits = |text: &str| length_while(text, |next| next.is_ascii_digit());
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with('0')) {
        return None;
    }
    rest = rest.get(whole..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.get(digits(fraction)..).filter(|after| after.len() < fraction.len())?;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        rest = exponent.get(digits(exponent)..).filter(|after| after.len() < exponent.len())?;
    }
    let next = rest.chars().next();
    let goes_on = next.is_some_and(|next| next == '.' || begins_name(next));
    (!goes_on).then_some(text.len() - rest.len())
}
