//! The schema: types, and what is behind their fields.

mod connection;
mod event;
mod load;
mod message;
mod mutation;
mod participant;
mod query;
mod scalar;
mod session;
mod subscription;
mod user;

use std::{fmt, sync::Arc};

use async_graphql::{Context, Data, Executor, Request, Response, SDLExportOptions, Schema, ServerError};
use chatcore::{Chat, Code, Error, Principal};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use crate::{SchemaOptions, error, guard};
use load::{Loads, Reads};
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

/// Who calls, as data of a request.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

/// The schema over a chat. It executes requests with a [`Caller`] in their data, on whatever transport they came.
#[derive(Clone)]
pub struct ChatSchema {
    inner: Schema<Query, Mutation, Subscription>,
    options: Arc<SchemaOptions>,
}

impl fmt::Debug for ChatSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatSchema").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The schema over this chat.
#[must_use]
pub fn schema(chat: Chat, options: SchemaOptions) -> ChatSchema {
    let options = Arc::new(options);
    let mut builder = Schema::build(Query, Mutation, Subscription)
        .data(chat)
        .data(Arc::clone(&options))
        .register_output_type::<event::SessionEvent>()
        .limit_depth(options.depth)
        .limit_complexity(options.complexity)
        .limit_directives(options.directives);
    if !options.introspection {
        builder = builder.disable_introspection();
    }
    if !options.suggestions {
        builder = builder.disable_suggestions();
    }
    ChatSchema { inner: builder.finish(), options }
}

impl ChatSchema {
    /// The schema in the schema definition language, sorted.
    #[must_use]
    pub fn sdl(&self) -> String {
        let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
        self.inner.sdl_with_options(options.prefer_single_line_descriptions())
    }

    /// Parses the document, within its limits; the engine does not parse it again.
    fn admit(&self, request: &mut Request) -> Result<(), ServerError> {
        guard::check_text(&request.query, self.options.tokens).map_err(|refused| error::request_error(&refused))?;
        let document = request.parsed_query().map_err(|cause| {
            let malformed =
                Error::Refused { code: Code::ValidationInvalidFormat, detail: "the query cannot be parsed" };
            ServerError { message: cause.message, locations: cause.locations, ..error::request_error(&malformed) }
        })?;
        guard::check(document, &self.options).map_err(|refused| error::request_error(&refused))
    }
}

impl Executor for ChatSchema {
    async fn execute(&self, mut request: Request) -> Response {
        let mut response = match self.admit(&mut request) {
            Ok(()) => self.inner.execute(request).await,
            Err(error) => Response::from_errors(vec![error]),
        };
        error::complete(&mut response);
        response
    }

    fn execute_stream(&self, mut request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let responses = match self.admit(&mut request) {
            Ok(()) => self.inner.execute_stream_with_session_data(request, session_data.unwrap_or_default()),
            Err(error) => stream::iter([Response::from_errors(vec![error])]).boxed(),
        };
        let complete = |mut response| {
            error::complete(&mut response);
            response
        };
        responses.map(complete).boxed()
    }
}

/// One use of the chat: a field of a root type that is about to be carried out.
struct Use<'c> {
    chat: &'c Chat,
    principal: &'c Principal,
}

impl<'c> Use<'c> {
    /// Who calls, admitted by the meter.
    async fn of(context: &Context<'c>) -> async_graphql::Result<Self> {
        let refused = |error: Error| error::field_error(&error);
        let Some(Caller(principal)) = context.data_opt() else { return Err(refused(Error::AuthRequired)) };
        if let Some(meter) = &context.data::<Arc<SchemaOptions>>()?.meter {
            meter.admit(principal, context.field().name()).await.map_err(refused)?;
        }
        Ok(Self { chat: context.data()?, principal })
    }

    fn reads(&self) -> Arc<Reads> {
        Arc::new(Reads { chat: self.chat.clone(), principal: self.principal.clone() })
    }

    /// Loads for what hangs on the answer.
    fn loads(&self) -> Arc<Loads> {
        Arc::new(Loads::new(self.reads()))
    }
}

/// A result of the chat as a field's.
trait Fallible<T> {
    fn or_field_error(self) -> async_graphql::Result<T>;
}

impl<T> Fallible<T> for chatcore::Result<T> {
    fn or_field_error(self) -> async_graphql::Result<T> {
        self.map_err(|error| error::field_error(&error))
    }
}
