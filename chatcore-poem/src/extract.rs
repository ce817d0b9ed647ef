//! What operations take: the caller, ids, places, and JSON bodies.

use std::{borrow::Cow, str::FromStr};

use bytes::Bytes;
#[cfg(feature = "accounts")]
use chatcore::model::LoginId;
#[cfg(feature = "webhooks")]
use chatcore::webhooks::DeadLetterPlace;
use chatcore::{
    Code, Error, Principal,
    chat::{MentionOrder, PublicOrder, SessionOrder},
    json,
    model::{
        AuditId, Bound, Cursor, Emoji, EmojiName, HeldId, InvalidId, InviteId, MentionCursor, MessageId, ModerationId,
        ParticipantId, PublicCursor, ReportId, ScheduledId, SessionId, UserId, WebhookId,
    },
};
use chatcore_http::{HeldRequest, caller, caller_or_query, check_conditions, origin, read_body, revision_condition};
use poem::{FromRequest as _, Request, RequestBody, http::header, web::Accept};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, MetaSecurityScheme, Registry},
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{problem::ApiError, routes::Parameters, shape::Shape, state::State};

/// Checks that a query has only parameters that the operation takes, and each of them once. Two servers in a row can differ on
/// which of two values counts, and a misspelt parameter that is ignored gives a wrong answer.
///
/// # Errors
/// [`Malformed`](Error::Malformed) for a parameter that is given twice, [`Invalid`](Error::Invalid) for one that the operation does
/// not take, with its name.
pub(crate) fn check_parameters<'a>(
    request: &Request,
    taken: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Error> {
    let mut seen = Vec::new();
    for (name, _) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        let Some(taken) = taken.clone().find(|taken| name == *taken) else {
            let name: String = name.chars().take(64).collect();
            return Err(Error::invalid(name, Code::ValidationInvalidValue, "there is no such query parameter"));
        };
        if seen.contains(&taken) {
            return Err(Error::malformed(taken, "give this parameter once"));
        }
        seen.push(taken);
    }
    Ok(())
}

/// [Checks](check_parameters) the query of a REST operation.
pub(crate) fn check_query(request: &Request) -> Result<(), Error> {
    match request.data::<Parameters>() {
        Some(parameters) => check_parameters(request, parameters.names()),
        None => check_parameters(request, std::iter::empty()),
    }
}

/// Reads the place after which events are to begin.
///
/// # Errors
/// [`Invalid`](Error::Invalid) for a negative number, else [`Malformed`](Error::Malformed).
pub(crate) fn cursor_after(text: &str) -> Result<Cursor, Error> {
    text.parse().map_err(|_| {
        if text.parse::<i64>().is_ok_and(|number| number < 0) {
            Error::invalid("after", Code::ValidationInvalidValue, "must not be negative")
        } else {
            Error::malformed("after", "a cursor or a position in the session's log, not a time")
        }
    })
}

/// The caller: as the host says, or by bearer token.
pub(crate) struct Caller(pub(crate) Principal);

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("A JSON Web Token (RFC 7519) as bearer token (RFC 6750)."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme("bearer", scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["bearer"]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let principal = State::of(request).map_err(ApiError)?.principal(request).await.map_err(ApiError)?;
        check_conditions(request).map_err(ApiError)?;
        check_query(request).map_err(ApiError)?;
        Ok(Self(principal))
    }
}

/// A [`Caller`] who changes something that has a revision, with the revision that the change depends on.
pub(crate) struct Editor {
    pub(crate) principal: Principal,
    pub(crate) revision: Option<u64>,
}

impl<'a> ApiExtractor<'a> for Editor {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let principal = State::of(request).map_err(ApiError)?.principal(request).await.map_err(ApiError)?;
        check_query(request).map_err(ApiError)?;
        let revision = revision_condition(request).map_err(ApiError)?;
        Ok(Self { principal, revision })
    }
}

/// In which form a session's events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A page, as JSON.
    Page,
    /// Server-sent events.
    Stream,
}

impl Form {
    const ALL: [Self; 2] = [Self::Page, Self::Stream];

    /// The ranges of media types (RFC 9110, section 12.5.1) in which it lies, the exact one first.
    const fn ranges(self) -> [&'static str; 3] {
        match self {
            Self::Page => ["application/json", "application/*", "*/*"],
            Self::Stream => ["text/event-stream", "text/*", "*/*"],
        }
    }

    /// The one that the client likes best, or names first; JSON where it does not say. The ranges come best first.
    fn of(Accept(ranges): &Accept) -> Option<Self> {
        if ranges.is_empty() {
            return Some(Self::Page);
        }
        let quality = |text: &str| text.parse::<f32>().ok();
        let ranges: Vec<(&str, bool)> = ranges
            .iter()
            .map(|range| {
                let refused = range.get_param("q").and_then(|q| quality(q.as_str())).is_some_and(|q| q <= 0.0);
                (range.essence_str(), refused)
            })
            .collect();
        let wanted = |form: &Self, wanted: &str| {
            let [exact, ..] = form.ranges();
            form.ranges().contains(&wanted) && !ranges.contains(&(exact, true))
        };
        let mut liked = ranges.iter().filter(|(_, refused)| !refused);
        liked.find_map(|(range, _)| Self::ALL.into_iter().find(|form| wanted(form, range)))
    }
}

/// A [`Caller`] of an operation that can be a stream. For a stream the token may stand in the query, since the browsers'
/// `EventSource` cannot send headers.
pub(crate) struct Listener {
    pub(crate) principal: Principal,
    pub(crate) form: Form,
}

impl<'a> ApiExtractor<'a> for Listener {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let form = Form::of(&Accept::from_request_without_body(request).await?);
        Ok(Self::of(request, form).await.map_err(ApiError)?)
    }
}

impl Listener {
    async fn of(request: &Request, form: Option<Form>) -> Result<Self, Error> {
        let state = State::of(request)?;
        let authenticator = &*state.authenticator;
        let caller = match form {
            Some(Form::Stream) => caller_or_query(request, authenticator).await,
            Some(Form::Page) | None => caller(request, authenticator).await,
        };
        let principal = state.chat.admit(origin(request), caller).await?;
        HeldRequest::take(request, &state.sockets, &principal.user_id)?;
        let detail = "accept application/json or text/event-stream";
        let form = form.ok_or(Error::Refused { code: Code::NotAcceptable, detail })?;
        check_conditions(request)?;
        check_query(request)?;
        Ok(Self { principal, form })
    }
}

macro_rules! text_param {
    ($(#[$doc:meta])* $name:ident($inner:ty), $schema:expr) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) $inner);

        impl Type for $name {
            const IS_REQUIRED: bool = true;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self::RawValueType> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                Self::parse(text).map_err(ParseError::custom)
            }
        }
    };
}

text_param!(
    /// A session's id in a path or a query.
    SessionParam(SessionId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// An invite's id in a path or a query.
    InviteParam(InviteId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// A webhook's id in a path.
    WebhookParam(WebhookId),
    MetaSchema::new_with_format("string", "uuid")
);
#[cfg(feature = "webhooks")]
text_param!(
    /// A place in the list of the dead letters of a webhook of the server, in a query.
    DeadLetterParam(DeadLetterPlace),
    MetaSchema::new("string")
);
text_param!(
    /// A report's id in a path or a query.
    ReportParam(ReportId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// The id of an entry of a moderation log in a query.
    ModerationParam(ModerationId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// A message's id in a path.
    MessageParam(MessageId),
    MetaSchema::new("string")
);
text_param!(
    /// The order of the caller's sessions in a query.
    SortParam(SessionOrder),
    MetaSchema {
        enum_items: SessionOrder::ALL.map(|order| order.as_str().into()).into(),
        ..MetaSchema::new("string")
    }
);
text_param!(
    /// The order of the caller's mentions in a query.
    MentionSortParam(MentionOrder),
    MetaSchema {
        enum_items: MentionOrder::ALL.map(|order| order.as_str().into()).into(),
        ..MetaSchema::new("string")
    }
);
text_param!(
    /// The order of the public list in a query.
    PublicSortParam(PublicOrder),
    MetaSchema {
        enum_items: PublicOrder::ALL.map(|order| order.as_str().into()).into(),
        ..MetaSchema::new("string")
    }
);
text_param!(
    /// A place in the public list, in a query.
    PublicParam(PublicCursor),
    MetaSchema::new("string")
);
text_param!(
    /// A place in the list of the caller's mentions, in a query.
    MentionParam(MentionCursor),
    MetaSchema::new("string")
);
text_param!(
    /// An emoji in a path.
    EmojiParam(Emoji),
    MetaSchema { min_length: Some(1), ..MetaSchema::new("string") }
);
text_param!(
    /// The name of an emoji of a session's own in a path.
    EmojiNameParam(EmojiName),
    MetaSchema { min_length: Some(2), max_length: Some(32), ..MetaSchema::new("string") }
);
text_param!(
    /// The id of a scheduled message in a path or a query.
    ScheduledParam(ScheduledId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// The id of a held message in a path or a query.
    HeldParam(HeldId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// A participant's id in a query.
    ParticipantParam(ParticipantId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// The id of an entry of the audit log in a query.
    AuditParam(AuditId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// The id of a login, or of a token of a bot, in a path.
    LoginParam(LoginId),
    MetaSchema::new_with_format("string", "uuid")
);
text_param!(
    /// A user's id in a path.
    UserParam(UserId),
    MetaSchema { min_length: Some(1), max_length: Some(UserId::MAX_CHARS), ..MetaSchema::new("string") }
);
text_param!(
    /// A place in a log in a query: a position, or a time (RFC 3339). What is none is kept for the operation to refuse, which
    /// says what would be right; of a failed extractor only the parameter's name is told.
    PlaceParam(Result<Bound, InvalidId>),
    MetaSchema::new("string")
);

text_param!(
    /// A position in a log in a query, with or without its epoch. What is none is kept for the operation to refuse,
    /// which says what would be right.
    CursorParam(Result<Cursor, Error>),
    // A client that is generated from the document can give the number as a number.
    MetaSchema {
        any_of: ["integer", "string"].map(|kind| MetaSchemaRef::Inline(Box::new(MetaSchema::new(kind)))).into(),
        ..MetaSchema::ANY
    }
);

impl CursorParam {
    #[allow(clippy::unnecessary_wraps, reason = "the parameters share one macro")]
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(cursor_after(text)))
    }
}

/// Reads parameters as their types read a text.
macro_rules! read_as_text {
    ($($(#[$when:meta])? $name:ident: $inner:ty),*) => {$(
        $(#[$when])?
        impl $name {
            fn parse(text: &str) -> Result<Self, String> {
                <$inner>::from_str(text).map(Self).map_err(|error| error.to_string())
            }
        }
    )*};
}

read_as_text!(
    SessionParam: SessionId,
    InviteParam: InviteId,
    WebhookParam: WebhookId,
    #[cfg(feature = "webhooks")]
    DeadLetterParam: DeadLetterPlace,
    ReportParam: ReportId,
    ModerationParam: ModerationId,
    MessageParam: MessageId,
    SortParam: SessionOrder,
    MentionSortParam: MentionOrder,
    PublicSortParam: PublicOrder,
    PublicParam: PublicCursor,
    MentionParam: MentionCursor,
    EmojiParam: Emoji,
    EmojiNameParam: EmojiName,
    ScheduledParam: ScheduledId,
    HeldParam: HeldId,
    ParticipantParam: ParticipantId,
    LoginParam: LoginId,
    AuditParam: AuditId,
    UserParam: UserId
);

impl MessageParam {
    /// The id, where it belongs to the session in the same path.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound), as for each message that is not in the session.
    pub(crate) fn within(&self, SessionParam(session_id): &SessionParam) -> Result<MessageId, Error> {
        if self.0.session_id == *session_id { Ok(self.0) } else { Err(Error::MessageNotFound) }
    }
}

impl PlaceParam {
    #[allow(clippy::unnecessary_wraps, reason = "the parameters share one macro")]
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.parse()))
    }
}

/// A JSON body. One that is not required may be left out, which means an object without fields.
pub(crate) struct JsonBody<T, const REQUIRED: bool>(pub(crate) T);

/// A JSON body that must be there.
pub(crate) type StrictJson<T> = JsonBody<T, true>;

/// A JSON body that may be left out.
pub(crate) type OptionalJson<T> = JsonBody<T, false>;

/// Nothing, or an empty JSON object.
pub(crate) struct NoBody;

/// The same for a method whose requests have no use for a body (RFC 9110, section 9.3.5): the OpenAPI document names none.
pub(crate) struct Bodyless;

pub(crate) fn request_meta(schema: MetaSchemaRef, required: bool) -> Option<MetaRequest> {
    let content = vec![MetaMediaType { content_type: "application/json", schema }];
    Some(MetaRequest { description: None, content, required })
}

impl<'a, T: JsonSchema + DeserializeOwned, const REQUIRED: bool> ApiExtractor<'a> for JsonBody<T, REQUIRED> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Shape::<T>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        request_meta(Shape::<T>::reference(), REQUIRED)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if REQUIRED {
            // Before a body of another type is read.
            check_type(request).map_err(ApiError)?;
        }
        let bytes = read(request, body).await.map_err(ApiError)?;
        if !REQUIRED && bytes.is_empty() {
            return Ok(Self(json::parse(b"{}").map_err(ApiError)?));
        }
        check_type(request).map_err(ApiError)?;
        Ok(Self(json::parse(&bytes).map_err(ApiError)?))
    }
}

/// An object without fields.
#[derive(serde::Deserialize, poem_openapi::Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "Empty")]
struct Empty {}

impl<'a> ApiExtractor<'a> for NoBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Empty::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        request_meta(Empty::schema_ref(), false)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        nothing(request, body).await.map_err(ApiError)?;
        Ok(Self)
    }
}

impl<'a> ApiExtractor<'a> for Bodyless {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        nothing(request, body).await.map_err(ApiError)?;
        Ok(Self)
    }
}

/// Refuses a body that says something: it would have no effect.
async fn nothing(request: &Request, body: &mut RequestBody) -> Result<(), Error> {
    let bytes = read(request, body).await?;
    if !bytes.is_empty() {
        check_type(request)?;
        let Empty {} = json::parse(&bytes)?;
    }
    Ok(())
}

pub(crate) fn check_type(request: &Request) -> Result<(), Error> {
    let is_json = |value: &str| {
        let mut parts = value.split(';').map(str::trim);
        let charset_fits = |part: &str| match part.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                let value = value.trim();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
                // Both are names of it in the Encoding standard.
                ["utf-8", "utf8"].iter().any(|name| value.eq_ignore_ascii_case(name))
            }
            Some(_) | None => true,
        };
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) && parts.all(charset_fits)
    };
    let mut values = request.headers().get_all(header::CONTENT_TYPE).iter();
    match (values.next().map(|value| value.to_str().is_ok_and(is_json)), values.next()) {
        (Some(true), None) => Ok(()),
        _ => Err(Error::Refused { code: Code::UnsupportedMediaType, detail: "send Content-Type: application/json" }),
    }
}

pub(crate) async fn read(request: &Request, body: &mut RequestBody) -> Result<Bytes, Error> {
    read_body(request, body, &State::of(request)?.sockets).await
}
