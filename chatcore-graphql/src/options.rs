//! Every limit of the schema, with its default, in one place.

/// The limits of one GraphQL operation, on every transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaOptions {
    /// Maximum nesting of fields, with expanded fragments. The schema never accepts more than 64.
    pub depth: usize,
    /// Maximum number of fields in an answer, which bounds the size of the answer. Each list counts with the requested length (50 by
    /// default), and the content of a message counts as forty.
    pub complexity: usize,
    /// Maximum number of fields in the text, with every spread fragment expanded.
    pub fields: usize,
    /// Maximum number of aliases, with expanded fragments.
    pub aliases: usize,
    /// Maximum number of fields of `Query` or `Mutation` in one operation, aliased or not, with expanded fragments. Each field is one use
    /// of the chat.
    pub root_fields: usize,
    /// Maximum number of directives on one field.
    pub directives: usize,
    /// Maximum number of tokens of a document.
    pub tokens: usize,
    /// Whether introspection is allowed.
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
