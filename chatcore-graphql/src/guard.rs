//! What is checked of a document before the engine looks at it.
//!
//! The engine expands fragments wherever they are spread, so a short document can make it work for ever: everything is counted
//! here first, each fragment once.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType,
        Selection, SelectionSet,
    },
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
    let mut counter = Counter { fragments: &document.fragments, known: HashMap::new(), within: 0 };
    // Those that nothing spreads, too: the engine looks at each.
    for name in document.fragments.keys() {
        counter.fragment(name.as_str())?;
    }
    for (_, operation) in document.operations.iter() {
        let Count { fields, aliases, roots, depth, lists, nested: _, introspects } =
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
    /// Fragments within fragments.
    nested: usize,
    introspects: bool,
}

struct Counter<'d> {
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    /// `None` while a fragment is being counted.
    known: HashMap<&'d str, Option<Count>>,
    /// How many fragments are being counted, each within the one before.
    within: usize,
}

impl<'d> Counter<'d> {
    fn count(&mut self, set: &'d Positioned<SelectionSet>) -> Result<Count> {
        let mut sum = Count::default();
        for selection in &set.node.items {
            let part = match &selection.node {
                Selection::Field(field) => {
                    // The engine looks at the value of each before it finds that they are too many.
                    let mut names = HashSet::new();
                    if !field.node.arguments.iter().all(|(name, _)| names.insert(&name.node)) {
                        let message = "an argument is given twice";
                        return Err(Error::invalid("query", Code::ValidationInvalidValue, message));
                    }
                    let inner = self.count(&field.node.selection_set)?;
                    let name = field.node.name.node.as_str();
                    let is_list = matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes");
                    Count {
                        fields: inner.fields.saturating_add(1),
                        aliases: inner.aliases.saturating_add(field.node.alias.is_some().into()),
                        roots: 1,
                        depth: inner.depth + 1,
                        lists: inner.lists + usize::from(is_list),
                        nested: inner.nested,
                        introspects: inner.introspects || matches!(name, "__schema" | "__type"),
                    }
                }
                Selection::InlineFragment(fragment) => self.count(&fragment.node.selection_set)?,
                Selection::FragmentSpread(spread) => self.fragment(spread.node.fragment_name.node.as_str())?,
            };
            // One that selects nothing is work for the engine, too.
            let part = Count { fields: part.fields.max(1), ..part };
            sum = Count {
                fields: sum.fields.saturating_add(part.fields),
                aliases: sum.aliases.saturating_add(part.aliases),
                roots: sum.roots.saturating_add(part.roots),
                depth: sum.depth.max(part.depth),
                lists: sum.lists.max(part.lists),
                nested: sum.nested.max(part.nested),
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
        // The engine would first expand everything that leads to it.
        let Some(fragment) = self.fragments.get(name) else {
            return Err(Error::invalid(
                "query",
                Code::ValidationInvalidValue,
                "a fragment is spread that is not there",
            ));
        };
        self.known.insert(name, None);
        // How far down it goes from here, and in all: those within may have been counted before.
        self.within += 1;
        exceeded("the nesting of fragments", self.within, NESTING)?;
        let inner = self.count(&fragment.node.selection_set)?;
        self.within -= 1;
        let count = Count { nested: inner.nested + 1, ..inner };
        exceeded("the nesting of fragments", count.nested, NESTING)?;
        self.known.insert(name, Some(count));
        Ok(count)
    }
}

/// Puts the fields of a mutation's or a subscription's root together as the specification does (section 6.3.2, "CollectFields"),
/// where they stand in fragments or under one name: the engine would not find the source of a subscription in a fragment, and
/// carries a mutation out as often as it is written. `None` where there is nothing to do.
pub(crate) fn collect_roots(document: &ExecutableDocument) -> Result<Option<ExecutableDocument>> {
    let is_fine = |operation: &Positioned<OperationDefinition>| {
        operation.node.ty == OperationType::Query || is_collected(&operation.node.selection_set.node.items)
    };
    if document.operations.iter().all(|(_, operation)| is_fine(operation)) {
        return Ok(None);
    }
    let mut document = document.clone();
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations {
        if !is_fine(operation) {
            let root = if operation.node.ty == OperationType::Mutation { "Mutation" } else { "Subscription" };
            let items = &mut operation.node.selection_set.node.items;
            let mut collected = Vec::new();
            collect(std::mem::take(items), root, &document.fragments, &mut collected)?;
            *items = collected;
        }
    }
    // Validation finds fault with fragments that nothing spreads any more.
    let mut spread = HashSet::new();
    document.operations.iter().for_each(|(_, operation)| spreads(&operation.node.selection_set.node, &mut spread));
    let mut reached = 0;
    while reached < spread.len() {
        reached = spread.len();
        for name in spread.clone() {
            if let Some(fragment) = document.fragments.get(&name) {
                spreads(&fragment.node.selection_set.node, &mut spread);
            }
        }
    }
    document.fragments.retain(|name, _| spread.contains(name));
    Ok(Some(document))
}

fn is_collected(items: &[Positioned<Selection>]) -> bool {
    let mut names = HashSet::new();
    items.iter().all(|item| match &item.node {
        Selection::Field(field) => names.insert(&field.node.response_key().node),
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
    })
}

fn collect(
    items: Vec<Positioned<Selection>>,
    root: &str,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    into: &mut Vec<Positioned<Selection>>,
) -> Result<()> {
    let refused = |message| Err(Error::invalid("query", Code::ValidationInvalidValue, message));
    for item in items {
        let (on, directives, inner) = match item.node {
            Selection::Field(field) => {
                let key = &field.node.response_key().node;
                let same = into.iter_mut().find_map(|before| match &mut before.node {
                    Selection::Field(before) if before.node.response_key().node == *key => Some(before),
                    Selection::Field(_) | Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
                });
                match same {
                    None => into.push(Positioned::new(Selection::Field(field), item.pos)),
                    Some(same) => {
                        let (same, field) = (&mut same.node, field.node);
                        let arguments = |field: &Field| -> Vec<_> {
                            field
                                .arguments
                                .iter()
                                .map(|(name, value)| format!("{}:{}", name.node, value.node))
                                .collect()
                        };
                        if same.name.node != field.name.node || arguments(same) != arguments(&field) {
                            return refused("one name stands for different fields; give one of them an alias");
                        }
                        if !same.directives.is_empty() || !field.directives.is_empty() {
                            return refused("a field with a directive is selected twice; give it an alias");
                        }
                        same.selection_set.node.items.extend(field.selection_set.node.items);
                    }
                }
                continue;
            }
            Selection::InlineFragment(fragment) => {
                let fragment = fragment.node;
                (fragment.type_condition, fragment.directives, fragment.selection_set.node.items)
            }
            Selection::FragmentSpread(spread) => {
                let Some(fragment) = fragments.get(&spread.node.fragment_name.node) else { continue };
                let fragment = fragment.node.clone();
                (Some(fragment.type_condition), spread.node.directives, fragment.selection_set.node.items)
            }
        };
        if on.is_some_and(|on| on.node.on.node != root) {
            return refused("a fragment of a root is on another type");
        }
        if !directives.is_empty() {
            return refused("a directive on a fragment of a root is not supported; put it on the fields");
        }
        collect(inner, root, fragments, into)?;
    }
    Ok(())
}

/// The fragments that a selection spreads.
fn spreads(set: &SelectionSet, names: &mut HashSet<Name>) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => spreads(&field.node.selection_set.node, names),
            Selection::InlineFragment(fragment) => spreads(&fragment.node.selection_set.node, names),
            Selection::FragmentSpread(spread) => {
                names.insert(spread.node.fragment_name.node.clone());
            }
        }
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
