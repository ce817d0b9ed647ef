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
mod types;
mod user;

use std::{any::TypeId, fmt, sync::Arc};

use async_graphql::{
    Context, Data, Executor, Name, Request, Response, SDLExportOptions, Schema, ServerError, Value,
    parser::types::OperationType,
};
use chatcore::{Chat, Code, Error, Principal};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use crate::{Meter, SchemaOptions, error, guard};
use load::{Loads, Reads};
use mutation::Mutation;
use query::Query;
use subscription::Subscription;
use types::Types;

/// Who calls, as data of a request.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

/// The schema over a chat. It executes requests with a [`Caller`] in their data, on whatever transport they came.
#[derive(Clone)]
pub struct ChatSchema {
    chat: Chat,
    inner: Schema<Query, Mutation, Subscription>,
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
    let mut builder = Schema::build(Query, Mutation, Subscription)
        .data(chat.clone())
        .data(Arc::clone(&options))
        .register_output_type::<event::SessionEvent>()
        .limit_depth(options.depth)
        .limit_complexity(options.complexity)
        .limit_recursive_depth(guard::NESTING)
        .limit_directives(options.directives);
    if !options.introspection {
        builder = builder.disable_introspection();
    }
    if !options.suggestions {
        builder = builder.disable_suggestions();
    }
    let inner = builder.finish();
    let types = Arc::new(Types::of(&inner.sdl()));
    ChatSchema { chat, inner, types, options }
}

impl ChatSchema {
    /// The schema in the schema definition language, sorted.
    #[must_use]
    pub fn sdl(&self) -> String {
        let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
        self.inner.sdl_with_options(options.prefer_single_line_descriptions())
    }

    /// The limits of its chat.
    #[cfg(feature = "poem")]
    pub(crate) fn limits(&self) -> &chatcore::Limits {
        self.chat.limits()
    }

    /// Parses the document, within its limits; the engine does not parse it again. Gives what kind of operation is asked for.
    fn admit(&self, request: &mut Request) -> Result<Option<OperationType>, ServerError> {
        let refuse = |refused: Error| error::request_error(&refused);
        guard::check_text(&request.query, self.options.tokens).map_err(refuse)?;
        let name = request.operation_name.clone();
        // Aside, while the document is borrowed.
        let variables = std::mem::take(&mut request.variables);
        let document = request.parsed_query().map_err(|cause| {
            let malformed = error::coded(cause.message, Code::ValidationInvalidFormat);
            ServerError { locations: cause.locations, ..malformed }
        })?;
        guard::check(document, &self.options).map_err(refuse)?;
        let mut operations = document.operations.iter();
        let asked = operations.find(|(found, _)| name.is_none() || found.map(Name::as_str) == name.as_deref());
        let kind = asked.map(|(_, operation)| operation.node.ty);
        if let Some((_, operation)) = asked {
            self.types.check(document, &operation.node, &variables)?;
        }
        if let Some(collected) = guard::collect_roots(document).map_err(refuse)? {
            request.set_parsed_query(collected);
        }
        request.variables = variables;
        if kind == Some(OperationType::Query)
            && let Some(Caller(principal)) =
                request.data.get(&TypeId::of::<Caller>()).and_then(|data| data.downcast_ref())
        {
            let meter = self.options.meter.clone();
            let reads = Reads { chat: self.chat.clone(), principal: principal.clone(), meter };
            request.data.insert(Arc::new(Loads::new(Arc::new(reads))));
        }
        Ok(kind)
    }
}

impl Executor for ChatSchema {
    async fn execute(&self, mut request: Request) -> Response {
        let mut response = match self.admit(&mut request) {
            Ok(_) => self.inner.execute(request).await,
            Err(error) => Response::from_errors(vec![error]),
        };
        error::give_codes(&mut response.errors);
        error::put_nulls(&mut response);
        response
    }

    fn execute_stream(&self, mut request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let (kind, responses) = match self.admit(&mut request) {
            Ok(kind) => (kind, self.inner.execute_stream_with_session_data(request, session_data.unwrap_or_default())),
            Err(error) => (None, stream::iter([Response::from_errors(vec![error])]).boxed()),
        };
        let complete = move |mut response: Response| {
            error::give_codes(&mut response.errors);
            if kind != Some(OperationType::Subscription) || response.data != Value::Null {
                error::put_nulls(&mut response);
            }
            response
        };
        responses.map(complete).boxed()
    }
}

/// One use of the chat: a field of a root type that is about to be carried out.
struct Use<'c> {
    chat: &'c Chat,
    principal: &'c Principal,
    meter: Option<&'c Arc<dyn Meter>>,
    /// Those of the request, where all of it is one answer.
    loads: Option<&'c Arc<Loads>>,
}

impl<'c> Use<'c> {
    /// Who calls, admitted by the meter.
    async fn of(context: &Context<'c>) -> async_graphql::Result<Self> {
        Self::times(context, 1).await
    }

    /// Who calls, admitted by the meter for so many uses.
    async fn times(context: &Context<'c>, uses: usize) -> async_graphql::Result<Self> {
        let refused = |error: Error| error::field_error(&error);
        let Some(Caller(principal)) = context.data_opt() else { return Err(refused(Error::AuthRequired)) };
        let meter = context.data::<Arc<SchemaOptions>>()?.meter.as_ref();
        if let Some(meter) = meter {
            meter.admit(principal, context.field().name(), uses).await.map_err(refused)?;
        }
        Ok(Self { chat: context.data()?, principal, meter, loads: context.data_opt() })
    }

    fn reads(&self) -> Arc<Reads> {
        let meter = self.meter.cloned();
        Arc::new(Reads { chat: self.chat.clone(), principal: self.principal.clone(), meter })
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
