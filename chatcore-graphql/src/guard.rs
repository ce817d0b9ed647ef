//! What is checked of a document before the engine looks at it.
//!
//! The engine expands fragments wherever they are spread, so a short document can make it work for ever: everything is counted
//! here first, each fragment once.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
    },
};
use chatcore::{Code, Error, Result};

use crate::{SchemaOptions, source::NESTING};

/// Deepest nesting of lists within introspection, each of which multiplies the answer.
const INTROSPECTION_LISTS: usize = 3;

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

/// The operation that would be executed (`GetOperation()`).
pub(crate) fn selected<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a Positioned<OperationDefinition>> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations.values().next(),
        (DocumentOperations::Single(_), Some(_)) | (DocumentOperations::Multiple(_), None) => None,
    }
}
