//! A document's text, before the parser reads it.
//!
//! The text is read by the lexical grammar of the specification (edition of September 2025, section 2.1), for three reasons.
//! The parser recurses, so tokens and brackets are counted first. The parser accepts some texts that the grammar does not have.
//! And the grammar has texts that the parser does not accept or reads wrongly; these are rewritten into others of the same
//! meaning. What is rewritten keeps its number of lines, and what follows it keeps its column, so that errors say where they are.

mod lexer;
mod string;

use std::{borrow::Cow, collections::HashSet, ops::Range};

use async_graphql::{Pos, ServerError};
use chatcore::{Code, Error};

use crate::error::{coded, request_error};
use lexer::{Kind, Lexer, Token};

/// Deepest nesting of brackets. The parser goes down by recursion.
pub(crate) const NESTING: usize = 64;

/// A fault in the text, at a byte of it.
#[derive(Debug)]
struct Fault {
    at: usize,
    message: &'static str,
}

/// Checks a document's text, and gives the text that the parser is to read. A text that was rewritten is not rewritten again.
///
/// # Errors
/// More than so many tokens, brackets nested too deep, or what is no document by its tokens alone.
pub(crate) fn read(text: &str, tokens: usize) -> Result<Cow<'_, str>, ServerError> {
    let mut reader = Reader::of(text);
    let mut lexer = Lexer::of(text);
    let mut count = 0;
    while let Some(token) = lexer.next().map_err(|fault| malformed(text, &fault))? {
        count += 1;
        exceeded("the number of tokens", count, tokens)?;
        reader.take(token).map_err(|fault| malformed(text, &fault))?;
        exceeded("the nesting of brackets", reader.frames.len(), NESTING)?;
    }
    reader.end_type();
    Ok(rewritten(text, &reader.edits))
}

fn exceeded(what: &'static str, count: usize, limit: usize) -> Result<(), ServerError> {
    if count > limit { Err(request_error(&Error::LimitExceeded { what, limit: limit as u64 })) } else { Ok(()) }
}

fn malformed(text: &str, Fault { at, message }: &Fault) -> ServerError {
    let mut pos = Pos { line: 1, column: 1 };
    // As the parser counts.
    for character in text.get(..*at).unwrap_or_default().chars() {
        pos = match character {
            '\n' => Pos { line: pos.line + 1, column: 1 },
            '\r' => Pos { column: 1, ..pos },
            _ => Pos { column: pos.column + 1, ..pos },
        };
    }
    ServerError { locations: vec![pos], ..coded(*message, Code::ValidationInvalidFormat) }
}

/// A part of the text, and what stands there instead.
struct Edit {
    range: Range<usize>,
    text: String,
}

fn rewritten<'t>(text: &'t str, edits: &[Edit]) -> Cow<'t, str> {
    if edits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut from = 0;
    for Edit { range, text: replacement } in edits {
        let before = text.get(from..range.start).unwrap_or_default();
        let replaced = text.get(range.clone()).unwrap_or_default();
        whole.push_str(before);
        whole.push_str(replacement);
        pad(&mut whole, replaced, replacement);
        from = range.end;
    }
    whole.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(whole)
}

/// Adds white space, so that what follows stands on its line and in its column. A replacement holds no line terminator. Where
/// one within a line is longer than what it replaces, what follows on that line moves.
fn pad(whole: &mut String, replaced: &str, replacement: &str) {
    let is_terminator = |character: char| character == '\n' || character == '\r';
    whole.extend(replaced.chars().filter(|character| is_terminator(*character)));
    let columns = match replaced.rfind(is_terminator) {
        Some(last) => replaced.get(last + 1..).unwrap_or_default().chars().count(),
        None => replaced.chars().count().saturating_sub(replacement.chars().count()),
    };
    whole.extend(std::iter::repeat_n(' ', columns));
}

/// A bracket that is open.
enum Frame<'t> {
    /// Anything but an input object.
    Other,
    /// An input object, with the names of its fields.
    Object(HashSet<&'t str>),
}

/// What goes on while the tokens come in.
struct Reader<'t> {
    text: &'t str,
    edits: Vec<Edit>,
    frames: Vec<Frame<'t>>,
    /// How many of the open brackets are round.
    round: usize,
    /// Whether a definition begins with the next token.
    at_definition: bool,
    /// A string in a place for a description, which the next token confirms.
    description: Option<Token>,
    /// A variable's type, to its last token so far; and whether its name has come.
    of_type: Option<(Range<usize>, bool)>,
    /// The last two tokens, the last one first.
    last: [Option<Token>; 2],
}

impl<'t> Reader<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            edits: Vec::new(),
            frames: Vec::new(),
            round: 0,
            at_definition: true,
            description: None,
            of_type: None,
            last: [None, None],
        }
    }

    fn text_of(&self, token: Token) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn edit(&mut self, range: Range<usize>, text: String) {
        self.edits.push(Edit { range, text });
    }

    fn take(&mut self, token: Token) -> Result<(), Fault> {
        self.take_description(token)?;
        self.take_type(token);
        match token.kind {
            Kind::String | Kind::Block if self.may_describe() => self.description = Some(token),
            Kind::String => {
                let inner = self.text.get(token.start + 1..token.end - 1).unwrap_or_default();
                let plain = string::plain(inner).map_err(|fault| Fault { at: fault.at + token.start + 1, ..fault })?;
                if let Some(plain) = plain {
                    self.edit(token.start..token.end, plain);
                }
            }
            Kind::Block => {
                let inner = self.text.get(token.start + 3..token.end - 3).unwrap_or_default();
                if let Some(plain) = string::plain_of_block(inner) {
                    self.edit(token.start..token.end, plain);
                }
            }
            // The parser takes it for a number with a fraction.
            Kind::Number if self.text_of(token) == "-0" => self.edit(token.start..token.end, "0".to_owned()),
            Kind::Number | Kind::Spread | Kind::Other => {}
            Kind::Name => self.take_name(token)?,
            Kind::Punctuator(character) => self.take_punctuator(character, token)?,
        }
        let at_end = token.kind == Kind::Punctuator(b'}') && self.frames.is_empty();
        self.at_definition = at_end || (self.at_definition && self.description.is_some());
        self.last = [Some(token), self.last[0]];
        Ok(())
    }

    /// Whether a string here is a description: of a definition, or of a variable.
    fn may_describe(&self) -> bool {
        let is_value = matches!(self.last[0], Some(Token { kind: Kind::Punctuator(b':' | b'='), .. }));
        let described = self.description.is_some();
        !described
            && ((self.frames.is_empty() && self.at_definition)
                || (self.frames.len() == 1 && self.round == 1 && !is_value))
    }

    /// The parser knows no descriptions. Where one stands rightly, it is taken out.
    fn take_description(&mut self, next: Token) -> Result<(), Fault> {
        let Some(description) = self.description.take() else { return Ok(()) };
        let stands = match next.kind {
            Kind::Name => self.frames.is_empty(),
            Kind::Punctuator(b'$') => !self.frames.is_empty(),
            _ => false,
        };
        if !stands {
            return Err(Fault { at: description.start, message: "a string where none can stand" });
        }
        self.edit(description.start..description.end, String::new());
        Ok(())
    }

    /// The parser takes a type only where its tokens stand together.
    fn take_type(&mut self, token: Token) {
        let begins = token.kind == Kind::Punctuator(b':')
            && matches!(
                self.last,
                [Some(Token { kind: Kind::Name, .. }), Some(Token { kind: Kind::Punctuator(b'$'), .. })]
            );
        let goes_on = match (&self.of_type, token.kind) {
            (Some((_, named)), Kind::Punctuator(b'[') | Kind::Name) => !named,
            (Some((_, named)), Kind::Punctuator(b']' | b'!')) => *named,
            _ => false,
        };
        if begins {
            self.end_type();
            self.of_type = Some((token.end..token.end, false));
        } else if goes_on {
            if let Some((range, named)) = &mut self.of_type {
                if range.start == range.end {
                    range.start = token.start;
                }
                range.end = token.end;
                *named |= token.kind == Kind::Name;
            }
        } else {
            self.end_type();
        }
    }

    fn end_type(&mut self) {
        let Some((range, _)) = self.of_type.take() else { return };
        let mut lexer = Lexer::of(self.text.get(range.clone()).unwrap_or_default());
        let mut together = String::with_capacity(range.len());
        while let Ok(Some(token)) = lexer.next() {
            together.push_str(self.text.get(range.start + token.start..range.start + token.end).unwrap_or_default());
        }
        if together.len() != range.len() {
            self.edit(range, together);
        }
    }

    fn take_name(&self, token: Token) -> Result<(), Fault> {
        // The parser takes `queryName` for two of them.
        let begins = matches!(self.text_of(token), "query" | "mutation" | "subscription" | "fragment");
        if self.at_definition && !begins {
            return Err(Fault { at: token.start, message: "expected an operation or a fragment" });
        }
        Ok(())
    }

    fn take_punctuator(&mut self, character: u8, token: Token) -> Result<(), Fault> {
        match character {
            b'(' => {
                self.round += 1;
                self.frames.push(Frame::Other);
            }
            b'[' => self.frames.push(Frame::Other),
            b'{' if self.round > 0 => self.frames.push(Frame::Object(HashSet::new())),
            b'{' => self.frames.push(Frame::Other),
            b')' => {
                self.round = self.round.saturating_sub(1);
                self.frames.pop();
            }
            b']' | b'}' => {
                self.frames.pop();
            }
            b':' => {
                // The parser keeps the last of them and says nothing.
                let name = self.last[0].map(|name| self.text_of(name)).unwrap_or_default();
                if let Some(Frame::Object(names)) = self.frames.last_mut()
                    && !names.insert(name)
                {
                    return Err(Fault { at: token.start, message: "a field of an input object is given twice" });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fine(text: &str) -> bool {
        read(text, usize::MAX).is_ok()
    }

    #[test]
    fn brackets_in_strings_and_comments_are_none() {
        let many = "[".repeat(NESTING + 1);
        assert!(!is_fine(&format!("{{a(x:{many})}}")));
        assert!(is_fine(&"[".repeat(NESTING)));
        assert!(is_fine(&"[]".repeat(NESTING + 1)));
        for text in [
            format!("{{a(x:\"{many}\")}}"),
            format!("{{a(x:\"\\\"{many}\")}}"),
            format!("{{a(x:\"\\\\\")}} #{many}"),
            format!("{{a(x:\"\"\"{many} \" \"\" \\\"\"\" {many}\"\"\")}}"),
            format!("{{a #{many}\n}}"),
        ] {
            assert!(is_fine(&text), "{text}");
        }
        for text in ["\"\\\\\"", "\"\"", "\"\"\"\"\"\"", "#\n"] {
            let text = format!("{{a(x:[{text}{many}");
            assert!(!is_fine(&text), "{text}");
        }
    }

    #[test]
    fn tokens_are_counted_as_the_specification_does() {
        for (text, tokens) in [
            ("", 0),
            ("{ a }", 3),
            ("query Q($a: Int! = -1.5e+3) { a(b: $a) }", 20),
            ("{...a ... on B{c}}", 10),
            ("{a,b ,,\u{feff}c}#d e f", 5),
            (r#"{a(b:"c d \" e",f:"""g "h" \""" i""")}"#, 11),
        ] {
            assert!(read(text, tokens).is_ok(), "{text}");
            assert!(tokens == 0 || read(text, tokens - 1).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_rewritten_is_not_rewritten_again() {
        for (text, expected) in [
            ("{a(b:1)}", "{a(b:1)}"),
            (r#"{a(b:"\u{1F600}")c}"#, "{a(b:\"\u{1f600}\"        )c}"),
            (r#"{a(b:"\ud83d\ude00\u0041")c}"#, "{a(b:\"\u{1f600}\\u0041\"           )c}"),
            (r#"{a(b:""" \""" """)c}"#, r#"{a(b:" \"\"\" "  )c}"#),
            ("{a(b:\"\"\"\r\n\\\"\"\"\n\r\"\"\")c}", "{a(b:\"\\\"\\\"\\\"\"\r\n\n\r   )c}"),
            ("{a(b:-0)c}", "{a(b:0 )c}"),
            ("query($a: [ Int\n ! ]!=1){a}", "query($a: [Int!]!\n     =1){a}"),
            ("\"A\" query(\"B\"$a:Int){a}", "    query(   $a:Int){a}"),
        ] {
            let once = read(text, usize::MAX).unwrap();
            assert_eq!(once, expected);
            let twice = read(&once, usize::MAX).unwrap();
            assert!(matches!(twice, Cow::Borrowed(_)), "{text} {once} {twice}");
        }
    }
}
