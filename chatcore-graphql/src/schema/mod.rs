//! The schema: types, and what is behind their fields.

mod connection;
mod event;
mod load;
mod message;
mod mutation;
mod participant;
mod plan;
mod query;
mod scalar;
mod session;
mod shape;
mod subscription;
mod types;
mod user;
mod validate;
mod values;

use std::{any::TypeId, borrow::Cow, fmt, sync::Arc};

use async_graphql::{
    Context, Data, Executor, Request, Response, SDLExportOptions, Schema, SchemaBuilder, ServerError, ValidationMode,
    parser::types::OperationType,
};
use chatcore::{Chat, Code, Error, Principal};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use crate::{SchemaOptions, error, guard, source};
use load::{Loads, Reads};
use mutation::Mutation;
use plan::Plan;
use query::Query;
use shape::Shape;
use subscription::Subscription;
use types::Types;
use validate::{ValidateOnly, validate};
use values::Values;

/// Who calls, as data of a request.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

type Engine = Schema<Query, Mutation, Subscription>;

/// The schema over a chat. It executes requests with a [`Caller`] in their data, on whatever transport they came.
#[derive(Clone)]
pub struct ChatSchema {
    chat: Chat,
    /// Executes what was planned.
    inner: Engine,
    /// Validates what is asked for.
    validator: Engine,
    types: Arc<Types>,
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
    let mut validator = builder(&options)
        .limit_depth(options.depth)
        .limit_complexity(options.complexity)
        .limit_recursive_depth(source::NESTING)
        .limit_directives(options.directives)
        .extension(ValidateOnly);
    if !options.suggestions {
        validator = validator.disable_suggestions();
    }
    // What it executes is made from documents that are valid and within the limits. An interface is one level more there.
    let inner = builder(&options)
        .data(chat.clone())
        .limit_recursive_depth(2 * source::NESTING)
        .validation_mode(ValidationMode::Fast)
        .finish();
    let types = Arc::new(Types::of(&inner.sdl()));
    ChatSchema { chat, inner, validator: validator.finish(), types, options }
}

fn builder(options: &SchemaOptions) -> SchemaBuilder<Query, Mutation, Subscription> {
    let builder = Schema::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<event::SessionEvent>();
    if options.introspection { builder } else { builder.disable_introspection() }
}

impl ChatSchema {
    /// The schema in the schema definition language, sorted.
    #[must_use]
    pub fn sdl(&self) -> String {
        let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
        self.inner.sdl_with_options(options.prefer_single_line_descriptions())
    }

    /// Its chat.
    #[must_use]
    pub const fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Reads the request, within its limits, and puts what is to be executed in its place. Gives the form of the answer.
    fn admit(&self, request: &mut Request) -> Result<Shape, Vec<ServerError>> {
        let refuse = |refused: Error| vec![error::request_error(&refused)];
        // Of one that was parsed before, the text says nothing more.
        if let Cow::Owned(text) = source::read(&request.query, self.options.tokens).map_err(|error| vec![error])? {
            request.query = text;
        }
        let name = request.operation_name.take();
        let variables = std::mem::take(&mut request.variables);
        let document = request.parsed_query().map_err(|cause| {
            let malformed = error::coded(cause.message, Code::ValidationInvalidFormat);
            vec![ServerError { locations: cause.locations, ..malformed }]
        })?;
        guard::check(document, &self.options).map_err(refuse)?;
        let Some(operation) = guard::selected(document, name.as_deref()) else {
            let message = match &name {
                Some(name) => format!("there is no operation `{name}`"),
                None => "the operation must be named, where there are several".to_owned(),
            };
            return Err(vec![error::coded(message, Code::ValidationInvalidValue)]);
        };
        let values = Values::of(&self.types, &operation.node, &variables).map_err(|error| vec![error])?;
        let validator = async |request| self.validator.execute(request).await;
        validate(validator, document.clone(), name.as_deref(), values.variables())?;
        plan::check_subscriptions(document).map_err(|error| vec![error])?;
        let kind = operation.node.ty;
        let Plan { document, shape } =
            Plan::of(&self.types, document, operation, &values).map_err(|error| vec![error])?;
        request.set_parsed_query(document);
        if kind == OperationType::Query
            && let Some(Caller(principal)) =
                request.data.get(&TypeId::of::<Caller>()).and_then(|data| data.downcast_ref())
        {
            let reads = Reads { chat: self.chat.clone(), principal: principal.clone() };
            request.data.insert(Arc::new(Loads::new(Arc::new(reads))));
        }
        Ok(shape)
    }
}

impl Executor for ChatSchema {
    async fn execute(&self, mut request: Request) -> Response {
        match self.admit(&mut request) {
            Ok(shape) => finished(self.inner.execute(request).await, &shape),
            Err(errors) => refused(errors),
        }
    }

    fn execute_stream(&self, mut request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        match self.admit(&mut request) {
            Ok(shape) => {
                let responses = self.inner.execute_stream_with_session_data(request, session_data.unwrap_or_default());
                responses.map(move |response| finished(response, &shape)).boxed()
            }
            Err(errors) => stream::iter([refused(errors)]).boxed(),
        }
    }
}

/// An answer of the engine as it is given.
fn finished(mut response: Response, shape: &Shape) -> Response {
    error::give_codes(&mut response.errors);
    shape.give(&mut response);
    response
}

/// The answer to what is not executed.
fn refused(mut errors: Vec<ServerError>) -> Response {
    error::give_codes(&mut errors);
    Response::from_errors(errors)
}

/// One use of the chat: a field of a root type that is about to be carried out.
struct Use<'c> {
    chat: &'c Chat,
    principal: &'c Principal,
    /// Those of the request, where all of it is one answer.
    loads: Option<&'c Arc<Loads>>,
}

impl<'c> Use<'c> {
    /// Who calls.
    fn of(context: &Context<'c>) -> async_graphql::Result<Self> {
        let Some(Caller(principal)) = context.data_opt() else { return Err(error::field_error(&Error::AuthRequired)) };
        Ok(Self { chat: context.data()?, principal, loads: context.data_opt() })
    }

    fn reads(&self) -> Arc<Reads> {
        Arc::new(Reads { chat: self.chat.clone(), principal: self.principal.clone() })
    }

    /// Loads for what hangs on the answer.
    fn loads(&self) -> Arc<Loads> {
        self.loads.map_or_else(|| Arc::new(Loads::new(self.reads())), Arc::clone)
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
