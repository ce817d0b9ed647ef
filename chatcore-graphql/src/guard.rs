//! What is checked of a document before the engine looks at it.
//!
//! The engine expands fragments wherever they are spread, so a short document can make it work for ever: everything is counted
//! here first, each fragment once.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, FragmentDefinition, OperationType, Selection, SelectionSet},
};
use chatcore::{Code, Error, Result};

use crate::SchemaOptions;

/// Deepest nesting of brackets. The parser goes down by recursion.
pub(crate) const NESTING: usize = 64;

/// Deepest nesting of lists within introspection, each of which multiplies the answer.
const INTROSPECTION_LISTS: usize = 3;

/// Checks a document's text: tokens and nesting.
pub(crate) fn check_text(text: &str, tokens: usize) -> Result<()> {
    let (mut count, mut nesting) = (0, 0_usize);
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | 0xEF | 0xBB | 0xBF => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = skip_while(after, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => match after {
                [b'"', b'"', block @ ..] => skip_block(block),
                text => skip_string(text),
            },
            byte if is_name(*byte) => skip_while(after, is_name),
            _ => after,
        };
        count += 1;
        match first {
            b'{' | b'(' | b'[' => nesting += 1,
            b'}' | b')' | b']' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        exceeded("the number of tokens", count, tokens)?;
        exceeded("the nesting of brackets", nesting, NESTING)?;
    }
    Ok(())
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.')
}

fn skip_while(mut text: &[u8], holds: impl Fn(u8) -> bool) -> &[u8] {
    while let [first, rest @ ..] = text
        && holds(*first)
    {
        text = rest;
    }
    text
}

fn skip_string(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [] => return text,
            [b'"', rest @ ..] => return rest,
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
        };
    }
}

fn skip_block(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [] => return text,
            [b'\\', b'"', b'"', b'"', rest @ ..] => rest,
            [b'"', b'"', b'"', rest @ ..] => return rest,
            [_, rest @ ..] => rest,
        };
    }
}

fn exceeded(what: &'static str, count: usize, limit: usize) -> Result<()> {
    if count > limit { Err(Error::LimitExceeded { what, limit: limit as u64 }) } else { Ok(()) }
}

/// Checks a parsed document, each of its operations.
pub(crate) fn check(document: &ExecutableDocument, options: &SchemaOptions) -> Result<()> {
    let mut counter = Counter { fragments: &document.fragments, known: HashMap::new() };
    // Those that nothing spreads, too: the engine looks at each.
    for name in document.fragments.keys() {
        counter.fragment(name.as_str())?;
    }
    for (_, operation) in document.operations.iter() {
        let Count { fields, aliases, roots, depth, lists, introspects } =
            counter.count(&operation.node.selection_set)?;
        exceeded("the number of fields", fields, options.fields)?;
        exceeded("the number of aliases", aliases, options.aliases)?;
        exceeded("the number of root fields", roots, options.root_fields)?;
        // The specification allows one. The engine follows them all, so that one operation would be many.
        if operation.node.ty == OperationType::Subscription && roots != 1 {
            return Err(Error::invalid("query", Code::ValidationInvalidValue, "a subscription has one root field"));
        }
        exceeded("the depth", depth, options.depth)?;
        exceeded("the depth of introspection", lists, INTROSPECTION_LISTS)?;
        if introspects && !options.introspection {
            let detail = "this schema does not tell of itself here; its text is published with the software";
            return Err(Error::Refused { code: Code::ResourceAccessDenied, detail });
        }
    }
    Ok(())
}

/// What a selection comes to, fragments expanded.
#[derive(Clone, Copy, Default)]
struct Count {
    fields: usize,
    aliases: usize,
    /// Fields of the selection itself.
    roots: usize,
    depth: usize,
    lists: usize,
    introspects: bool,
}

struct Counter<'d> {
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    /// `None` while a fragment is being counted.
    known: HashMap<&'d str, Option<Count>>,
}

impl<'d> Counter<'d> {
    fn count(&mut self, set: &'d Positioned<SelectionSet>) -> Result<Count> {
        let mut sum = Count::default();
        for selection in &set.node.items {
            let part = match &selection.node {
                Selection::Field(field) => {
                    let inner = self.count(&field.node.selection_set)?;
                    let name = field.node.name.node.as_str();
                    let is_list = matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes");
                    Count {
                        fields: inner.fields.saturating_add(1),
                        aliases: inner.aliases.saturating_add(field.node.alias.is_some().into()),
                        roots: 1,
                        depth: inner.depth + 1,
                        lists: inner.lists + usize::from(is_list),
                        introspects: inner.introspects || matches!(name, "__schema" | "__type"),
                    }
                }
                Selection::InlineFragment(fragment) => self.count(&fragment.node.selection_set)?,
                Selection::FragmentSpread(spread) => self.fragment(spread.node.fragment_name.node.as_str())?,
            };
            sum = Count {
                fields: sum.fields.saturating_add(part.fields),
                aliases: sum.aliases.saturating_add(part.aliases),
                roots: sum.roots.saturating_add(part.roots),
                depth: sum.depth.max(part.depth),
                lists: sum.lists.max(part.lists),
                introspects: sum.introspects || part.introspects,
            };
        }
        Ok(sum)
    }

    fn fragment(&mut self, name: &'d str) -> Result<Count> {
        match self.known.get(name) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => return Err(Error::malformed("query", "a fragment spreads itself")),
            None => {}
        }
        // One that is not there is the validation's to name.
        let Some(fragment) = self.fragments.get(name) else { return Ok(Count::default()) };
        self.known.insert(name, None);
        let count = self.count(&fragment.node.selection_set)?;
        self.known.insert(name, Some(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fine(text: &str) -> bool {
        check_text(text, usize::MAX).is_ok()
    }

    #[test]
    fn brackets_in_strings_and_comments_are_none() {
        let many = "[".repeat(NESTING + 1);
        assert!(!is_fine(&many));
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
        for text in
            [format!("\"\\\\\"{many}"), format!("\"\"{many}"), format!("\"\"\"\"\"\"{many}"), format!("#\n{many}")]
        {
            assert!(!is_fine(&text), "{text}");
        }
    }

    #[test]
    fn tokens_are_counted_as_the_specification_does() {
        for (text, tokens) in [
            ("", 0),
            ("{ a }", 3),
            ("query Q($a: Int! = -1.5e+3) { a(b: $a) }", 20),
            ("{a,b ,,\u{feff}c}#d e f", 5),
            (r#"{a(b:"c d \" e",f:"""g "h" \""" i""")}"#, 11),
        ] {
            assert!(check_text(text, tokens).is_ok(), "{text}");
            assert!(tokens == 0 || check_text(text, tokens - 1).is_err(), "{text}");
        }
    }
}
