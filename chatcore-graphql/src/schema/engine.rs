//! The library's schema, whatever its root types are.

use std::sync::Arc;

use async_graphql::{
    Data, ObjectType, Request, Response, SDLExportOptions, Schema, SchemaBuilder, SubscriptionType, ValidationMode,
};
use chatcore::{Chat, async_trait};
use futures_util::stream::BoxStream;

use super::{event::SessionEvent, validate::ValidateOnly};
use crate::{SchemaOptions, source};

/// A schema of the library.
#[async_trait]
pub(super) trait Engine: Send + Sync {
    async fn execute(&self, request: Request) -> Response;
    fn stream(&self, request: Request, session_data: Arc<Data>) -> BoxStream<'static, Response>;
    fn sdl(&self, options: SDLExportOptions) -> String;
}

#[async_trait]
impl<Q, M, S> Engine for Schema<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    async fn execute(&self, request: Request) -> Response {
        Self::execute(self, request).await
    }

    fn stream(&self, request: Request, session_data: Arc<Data>) -> BoxStream<'static, Response> {
        Box::pin(self.execute_stream_with_session_data(request, session_data))
    }

    fn sdl(&self, options: SDLExportOptions) -> String {
        self.sdl_with_options(options)
    }
}

pub(super) fn builder<Q, M, S>(
    query: Q,
    mutation: M,
    subscription: S,
    options: &SchemaOptions,
) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let builder = Schema::build(query, mutation, subscription).register_output_type::<SessionEvent>();
    if options.introspection { builder } else { builder.disable_introspection() }
}

/// The schema that validates what is asked for, within the limits.
pub(super) fn validator<Q, M, S>(builder: SchemaBuilder<Q, M, S>, options: &SchemaOptions) -> Schema<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let validator = builder
        .limit_depth(options.depth)
        .limit_complexity(options.complexity)
        .limit_recursive_depth(source::NESTING)
        .limit_directives(options.directives)
        .extension(ValidateOnly);
    if options.suggestions { validator.finish() } else { validator.disable_suggestions().finish() }
}

/// The schema that executes. What it executes is made from documents that are valid and within the limits. An interface is one level more
/// there.
pub(super) fn executor<Q, M, S>(builder: SchemaBuilder<Q, M, S>, chat: &Chat) -> Schema<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let builder = builder.data(chat.clone()).limit_recursive_depth(2 * source::NESTING);
    builder.validation_mode(ValidationMode::Fast).finish()
}
