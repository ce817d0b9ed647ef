//! Every limit of the schema, with its default, in one place.

use std::{fmt, sync::Arc};

use chatcore::{Principal, Result, async_trait};

/// What one GraphQL operation may ask for, whatever transport brought it.
#[derive(Clone)]
pub struct SchemaOptions {
    /// Deepest nesting of fields, fragments expanded; more than 64 is never read.
    pub depth: usize,
    /// Most fields that may be answered, each list counted with the length asked for (50 where none is), and the content of a
    /// message as forty: what bounds the size of an answer.
    pub complexity: usize,
    /// Most fields in the text, fragments expanded wherever they are spread.
    pub fields: usize,
    /// Most aliases, fragments expanded.
    pub aliases: usize,
    /// Most fields of `Query` or `Mutation` in one operation, aliased or not, fragments expanded: each is one use of the chat.
    pub root_fields: usize,
    /// Most directives on one field.
    pub directives: usize,
    /// Most tokens of a document.
    pub tokens: usize,
    /// Whether the schema may be asked about itself.
    pub introspection: bool,
    /// Whether an error about an unknown field names fields that are spelt alike.
    pub suggestions: bool,
    /// Asked before each use of the chat that a document asks for.
    pub meter: Option<Arc<dyn Meter>>,
}

impl Default for SchemaOptions {
    fn default() -> Self {
        Self {
            depth: 16,
            complexity: 40_000,
            fields: 2_000,
            aliases: 100,
            root_fields: 50,
            directives: 10,
            tokens: 5_000,
            introspection: true,
            suggestions: true,
            meter: None,
        }
    }
}

impl fmt::Debug for SchemaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            depth,
            complexity,
            fields,
            aliases,
            root_fields,
            directives,
            tokens,
            introspection,
            suggestions,
            meter,
        } = self;
        f.debug_struct("SchemaOptions")
            .field("depth", depth)
            .field("complexity", complexity)
            .field("fields", fields)
            .field("aliases", aliases)
            .field("root_fields", root_fields)
            .field("directives", directives)
            .field("tokens", tokens)
            .field("introspection", introspection)
            .field("suggestions", suggestions)
            .field("meter", &meter.is_some())
            .finish()
    }
}

/// Counts uses of the chat, as a rate limiter does.
///
/// # Contract
/// It is asked once for each field of `Query`, `Mutation` and `Subscription` that is about to be carried out, with the number
/// of uses that it stands for: an operation with a thousand aliases is a thousand uses, `nodes` with a hundred ids is a hundred,
/// and so is `allSessionEvents` from a hundred positions. Lists within sessions are a use for each way in which they are asked
/// for: `messages(last: 1)` of fifty sessions is one, and with ten aliases for other lengths it is eleven. The events of a
/// subscription are none. What it refuses is not carried out; the other fields are.
#[async_trait]
pub trait Meter: Send + Sync + 'static {
    /// Lets a use happen, or says why not.
    ///
    /// # Errors
    /// Whatever the caller should be told, as a rule [`RateLimited`](chatcore::Error::RateLimited).
    async fn admit(&self, principal: &Principal, field: &str, uses: usize) -> Result<()>;
}
