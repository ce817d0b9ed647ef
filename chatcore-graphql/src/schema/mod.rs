//! The schema: types and their resolvers.

#[cfg(feature = "accounts")]
mod account;
mod admin;
mod archive;
mod attachment;
mod block;
mod bot;
mod connection;
mod delivery;
mod direct;
mod engine;
mod event;
mod forward;
mod held;
mod incoming;
mod invite;
mod join_request;
mod later;
mod listing;
mod load;
mod managed;
#[cfg(feature = "metrics")]
mod measured;
mod mention;
mod message;
mod mutation;
mod participant;
mod plan;
mod preferences;
mod presence;
mod query;
mod reaction;
mod reading;
mod receipt;
mod report;
mod sanction;
mod scalar;
#[cfg(feature = "webhooks")]
mod server_webhook;
mod session;
mod shape;
mod streamed;
mod subscription;
mod thread;
mod types;
mod user;
mod validate;
mod values;
#[cfg(feature = "webhooks")]
mod webhook;

use std::{any::TypeId, borrow::Cow, fmt, sync::Arc};

use async_graphql::{
    Context, Data, Executor, ObjectType, Request, Response, SDLExportOptions, SchemaBuilder, ServerError,
    SubscriptionType, Value,
    parser::types::{ExecutableDocument, OperationType, Selection},
};
#[cfg(feature = "accounts")]
use chatcore::Accounts;
use chatcore::{Administration, Chat, Code, Error, Principal, trace::RequestSpan};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use crate::{SchemaOptions, error, guard, source};
use engine::Engine;
use load::{Loads, Reads};
use mutation::{ConversationMutation, Mutation};
use plan::Plan;
use query::{ConversationQuery, Query};
use shape::Shape;
use subscription::Subscription;
use types::Types;
use validate::validate;
use values::Values;

/// The user who calls, as data of a request.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

/// The schema over a chat. The schema executes requests with a [`Caller`] in their data, for every transport.
#[derive(Clone)]
pub struct ChatSchema {
    chat: Chat,
    /// Executes what was planned.
    inner: Arc<dyn Engine>,
    /// Validates what is asked for.
    validator: Arc<dyn Engine>,
    types: Arc<Types>,
    options: Arc<SchemaOptions>,
    #[cfg(feature = "metrics")]
    requests: chatcore::metrics::Requests,
    #[cfg(all(feature = "accounts", feature = "poem"))]
    has_accounts: bool,
}

/// A request that is about to be executed.
struct Planned {
    shape: Shape,
    #[cfg(feature = "metrics")]
    asked: measured::Asked,
}

impl fmt::Debug for ChatSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatSchema").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The services of a schema beside the chat.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// Registration, logins, the caller's account, and other users. The accounts must be of the same chat.
    ///
    /// The schema finds the [`Client`](chatcore::accounts::Client) in the data of a request, where its transport puts one: limits against
    /// guessing count the address of the client.
    #[cfg(feature = "accounts")]
    pub accounts: Option<Accounts>,
    /// Administration of the whole system. The administration must be of the same chat. The schema finds the
    /// [`AuditOrigin`](chatcore::admin::AuditOrigin) in the data of a request, where its transport puts one.
    pub admin: Option<Administration>,
    /// Webhooks of sessions, and with the administration webhooks of the server. The webhooks must be of the same chat.
    #[cfg(feature = "webhooks")]
    pub webhooks: Option<chatcore::Webhooks>,
}

/// The schema over this chat.
#[must_use]
pub fn schema(chat: Chat, options: SchemaOptions) -> ChatSchema {
    schema_with(chat, Services::default(), options)
}

/// The schema over the chat of these accounts, with the accounts.
#[cfg(feature = "accounts")]
#[must_use]
pub fn schema_with_accounts(accounts: Accounts, options: SchemaOptions) -> ChatSchema {
    let services = Services { accounts: Some(accounts.clone()), ..Services::default() };
    schema_with(accounts.chat().clone(), services, options)
}

/// The schema over this chat with services.
#[must_use]
pub fn schema_with(chat: Chat, services: Services, options: SchemaOptions) -> ChatSchema {
    #[cfg(feature = "accounts")]
    if services.accounts.is_some() {
        let schema = if services.admin.is_some() {
            served::<query::WithBoth, mutation::WithBoth, subscription::WithAdmin>(chat, options, services)
        } else {
            served::<query::WithAccounts, mutation::WithAccounts, Subscription>(chat, options, services)
        };
        return ChatSchema {
            #[cfg(feature = "poem")]
            has_accounts: true,
            ..schema
        };
    }
    if services.admin.is_some() {
        served::<query::WithAdmin, mutation::WithAdmin, subscription::WithAdmin>(chat, options, services)
    } else {
        served::<ConversationQuery, ConversationMutation, Subscription>(chat, options, services)
    }
}

/// The schema with these parts of its root types, and with the fields of webhooks where there are some.
fn served<Q, M, S>(chat: Chat, options: SchemaOptions, services: Services) -> ChatSchema
where
    Q: ObjectType + Default + 'static,
    M: ObjectType + Default + 'static,
    S: SubscriptionType + Default + 'static,
{
    #[cfg(feature = "webhooks")]
    if services.webhooks.is_some() && services.admin.is_some() {
        return built::<
            Query<webhook::Asking<server_webhook::Asking<Q>>>,
            Mutation<webhook::Changing<server_webhook::Changing<M>>>,
            S,
        >(chat, options, services);
    }
    #[cfg(feature = "webhooks")]
    if services.webhooks.is_some() {
        return built::<Query<webhook::Asking<Q>>, Mutation<webhook::Changing<M>>, S>(chat, options, services);
    }
    built::<Query<Q>, Mutation<M>, S>(chat, options, services)
}

/// The schema with these root types. The services are what their fields find in their context.
fn built<Q, M, S>(chat: Chat, options: SchemaOptions, services: Services) -> ChatSchema
where
    Q: ObjectType + Default + 'static,
    M: ObjectType + Default + 'static,
    S: SubscriptionType + Default + 'static,
{
    let options = Arc::new(options);
    let build = || engine::builder(Q::default(), M::default(), S::default(), &options);
    let validator = engine::validator(build(), &options);
    let inner = engine::executor(with(build(), services), &chat);
    ChatSchema::of(chat, Arc::new(inner), Arc::new(validator), options)
}

fn with<Q, M, S>(mut schema: SchemaBuilder<Q, M, S>, services: Services) -> SchemaBuilder<Q, M, S> {
    #[cfg(feature = "accounts")]
    if let Some(accounts) = services.accounts {
        schema = schema.data(accounts);
    }
    #[cfg(feature = "webhooks")]
    if let Some(webhooks) = services.webhooks {
        schema = schema.data(webhooks);
    }
    match services.admin {
        Some(admin) => schema.data(admin),
        None => schema,
    }
}

impl ChatSchema {
    fn of(chat: Chat, inner: Arc<dyn Engine>, validator: Arc<dyn Engine>, options: Arc<SchemaOptions>) -> Self {
        let types = Arc::new(Types::of(&inner.sdl(SDLExportOptions::new())));
        Self {
            chat,
            inner,
            validator,
            #[cfg(feature = "metrics")]
            requests: chatcore::metrics::Requests::new("graphql", types.root_fields()),
            types,
            options,
            #[cfg(all(feature = "accounts", feature = "poem"))]
            has_accounts: false,
        }
    }

    /// The mutations that need no token.
    #[cfg(feature = "poem")]
    pub(crate) const fn open_fields(&self) -> &'static [&'static str] {
        #[cfg(feature = "accounts")]
        if self.has_accounts {
            return &account::OPEN;
        }
        &[incoming::POST]
    }

    /// The schema in the schema definition language, sorted.
    #[must_use]
    pub fn sdl(&self) -> String {
        let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
        self.inner.sdl(options.prefer_single_line_descriptions())
    }

    /// The chat of the schema.
    #[must_use]
    pub const fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Reads the request, within its limits, and puts what is to be executed in its place. Gives the form of the answer.
    fn admit(&self, request: &mut Request) -> Result<Planned, Vec<ServerError>> {
        #[cfg_attr(not(feature = "metrics"), allow(clippy::let_and_return, reason = "it is measured"))]
        let planned = self.plan(request).map_err(|mut errors| {
            error::give_codes(&mut errors);
            errors
        });
        #[cfg(feature = "metrics")]
        if let Err(errors) = &planned {
            measured::refused(&self.requests, errors);
        }
        planned
    }

    fn plan(&self, request: &mut Request) -> Result<Planned, Vec<ServerError>> {
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
        if let Some(span) = span_of(request) {
            span.operation(&fields(&document));
        }
        #[cfg(feature = "metrics")]
        let asked = measured::Asked::of(&self.requests, &document);
        request.set_parsed_query(document);
        if kind == OperationType::Query
            && let Some(Caller(principal)) =
                request.data.get(&TypeId::of::<Caller>()).and_then(|data| data.downcast_ref())
        {
            let reads = Reads { chat: self.chat.clone(), principal: principal.clone() };
            request.data.insert(Arc::new(Loads::new(Arc::new(reads))));
        }
        Ok(Planned {
            shape,
            #[cfg(feature = "metrics")]
            asked,
        })
    }
}

impl Executor for ChatSchema {
    async fn execute(&self, mut request: Request) -> Response {
        let span = span_of(&request).cloned();
        match self.admit(&mut request) {
            Ok(planned) => {
                let response = finished(self.inner.execute(request).await, &planned.shape, span.as_ref());
                #[cfg(feature = "metrics")]
                planned.asked.count(&response);
                response
            }
            Err(errors) => refused(errors, span.as_ref()),
        }
    }

    fn execute_stream(&self, mut request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let span = span_of(&request).cloned();
        match self.admit(&mut request) {
            Ok(planned) => {
                let responses = self.inner.stream(request, session_data.unwrap_or_default());
                #[cfg(feature = "metrics")]
                let mut is_counted = false;
                let finish = move |response| {
                    let response = finished(response, &planned.shape, span.as_ref());
                    // The first answer of a subscription says whether it began.
                    #[cfg(feature = "metrics")]
                    if !std::mem::replace(&mut is_counted, true) {
                        planned.asked.count(&response);
                    }
                    response
                };
                responses.map(finish).boxed()
            }
            Err(errors) => stream::iter([refused(errors, span.as_ref())]).boxed(),
        }
    }
}

/// An answer of the engine as it is given.
fn finished(mut response: Response, shape: &Shape, span: Option<&RequestSpan>) -> Response {
    error::give_codes(&mut response.errors);
    note_failure(&response.errors, span);
    shape.give(&mut response);
    response
}

/// The answer to what is not executed.
fn refused(errors: Vec<ServerError>, span: Option<&RequestSpan>) -> Response {
    note_failure(&errors, span);
    Response::from_errors(errors)
}

/// The span of the operation, where its transport put one into the data.
fn span_of(request: &Request) -> Option<&RequestSpan> {
    request.data.get(&TypeId::of::<RequestSpan>())?.downcast_ref()
}

/// The fields of the root type for which an operation asks, for the log. They are names of the schema: those of the client are not logged.
fn fields(document: &ExecutableDocument) -> String {
    /// More are not named.
    const NAMED: usize = 5;
    let selections = document.operations.iter().flat_map(|(_, operation)| &operation.node.selection_set.node.items);
    let mut names: Vec<&str> = Vec::new();
    for selection in selections {
        let Selection::Field(field) = &selection.node else { continue };
        let name = field.node.name.node.as_str();
        // Each plan asks for the type, too.
        if name != "__typename" && !names.contains(&name) {
            names.push(name);
        }
    }
    let more = if names.len() > NAMED { ",…" } else { "" };
    names.truncate(NAMED);
    format!("{}{more}", names.join(","))
}

/// Notes the code of the first error in the span of the operation.
fn note_failure(errors: &[ServerError], span: Option<&RequestSpan>) {
    let code = errors.first().and_then(|error| error.extensions.as_ref()?.get("code"));
    if let (Some(span), Some(Value::String(code))) = (span, code) {
        span.failed(code);
    }
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
    /// The same for an error that concerns an account which the input names, and not the caller.
    #[cfg(feature = "accounts")]
    fn or_input_error(self) -> async_graphql::Result<T>;
}

impl<T> Fallible<T> for chatcore::Result<T> {
    fn or_field_error(self) -> async_graphql::Result<T> {
        self.map_err(|error| error::field_error(&error))
    }

    #[cfg(feature = "accounts")]
    fn or_input_error(self) -> async_graphql::Result<T> {
        self.map_err(|error| error::input_error(&error))
    }
}
