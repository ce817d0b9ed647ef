//! Every limit of the schema, with its default, in one place.

/// What one GraphQL operation may ask for, whatever transport brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl Default for SchemaOptions {
    fn default() -> Self {
        Self {
            depth: 16,
            complexity: 100_000,
            fields: 2_000,
            aliases: 100,
            root_fields: 50,
            directives: 10,
            tokens: 5_000,
            introspection: true,
            suggestions: true,
        }
    }
}
