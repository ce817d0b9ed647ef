//! Operations about pictures of users.

use std::io;

use bytes::Bytes;
use chatcore::{
    Accounts, Code, Error, FieldError,
    accounts::{Account, AvatarSize, Client},
};
use chatcore_http::{origin, read_body_within};
use futures_util::stream;
use poem::{
    IntoResponse, Request, RequestBody, Response,
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi,
    param::{Path, Query},
    registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};

use super::{AccountGroup, no_idempotency_key};
use crate::{
    accounts::checked_client,
    extract::{Bodyless, Caller},
    problem::ApiError,
    reply::{Answer, Body, Form, Nobody, Params, Reply, Tried, allowance},
    state::State,
};

/// What a form may have beside the picture, in bytes.
const FORM_BYTES: usize = 16 * 1024;

/// The field with the picture.
const FILE: &str = "file";

pub(crate) struct Avatars(pub(crate) Accounts);

#[OpenApi(tag = "AccountGroup::Users")]
impl Avatars {
    /// Upload the caller's picture
    ///
    /// JPEG, PNG or GIF, at most 5 MB by default. The server crops the picture to a square in three sizes. The new picture replaces the
    /// previous picture.
    #[oai(path = "/me/avatar", method = "post", operation_id = "uploadAvatar")]
    async fn upload(
        &self,
        request: &Request,
        caller: Caller,
        form: FormBody,
    ) -> Answer<Reply<Account>, (Form, Nobody, Tried)> {
        no_idempotency_key(request)?;
        let boundary = boundary(request)?;
        let (FormBody(mut body), most) = (form, self.0.settings().avatar_bytes.saturating_add(FORM_BYTES));
        let bytes = read_body_within(request, &mut body, &State::of(request)?.sockets, most).await?;
        Ok(Reply::new(self.0.upload_avatar(&caller.0, file(bytes, boundary).await?).await?))
    }

    /// Remove the caller's picture
    #[oai(path = "/me/avatar", method = "delete", operation_id = "deleteAvatar")]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        _body: Bodyless,
    ) -> Answer<Reply<Account>, (Body, Nobody)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.delete_avatar(&caller.0).await?))
    }

    /// Get a picture
    ///
    /// As PNG. No token is needed: the address cannot be guessed.
    #[oai(path = "/avatars/:avatar_id", method = "get", operation_id = "getAvatar")]
    async fn show(
        &self,
        Viewer(client): Viewer,
        avatar_id: Path<String>,
        /// The width and height in pixels: 64, 128 or 256; 256 where not given.
        size: Query<Option<u32>>,
    ) -> Answer<Picture, (Params, Nobody)> {
        let size = size.0.unwrap_or(AvatarSize::Large.pixels());
        let size = AvatarSize::ALL.into_iter().find(|known| known.pixels() == size);
        let size = size.ok_or_else(|| Error::invalid("size", Code::ValidationInvalidValue, "64, 128 or 256"))?;
        Ok(Picture(self.0.avatar(&client, &avatar_id.0, size).await?))
    }
}

/// A client that asks for a picture. No token is needed.
struct Viewer(Client);

impl<'a> ApiExtractor<'a> for Viewer {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let state = State::of(request).map_err(ApiError)?;
        state.chat.admit_picture(origin(request)).await.map_err(ApiError)?;
        Ok(Self(checked_client(request).map_err(ApiError)?))
    }
}

/// The boundary of the parts of a form (RFC 7578).
fn boundary(request: &Request) -> Result<String, Error> {
    let detail = "send multipart/form-data with the picture in the field `file`";
    let refused = Error::Refused { code: Code::UnsupportedMediaType, detail };
    let kind = request.header(CONTENT_TYPE).ok_or_else(|| refused.clone())?;
    multer::parse_boundary(kind).map_err(|_| refused)
}

/// The file of a form that has nothing else.
async fn file(form: Bytes, boundary: String) -> Result<Bytes, Error> {
    let malformed = |_| Error::malformed(FILE, "the form cannot be parsed");
    let mut form = multer::Multipart::new(stream::iter([Ok::<_, io::Error>(form)]), boundary);
    let mut file = None;
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() != Some(FILE) {
            let name: String = field.name().unwrap_or_default().chars().take(64).collect();
            return Err(Error::invalid(name, Code::ValidationInvalidValue, "there is no such field"));
        }
        if file.replace(field.bytes().await.map_err(malformed)?).is_some() {
            return Err(Error::invalid(FILE, Code::ValidationInvalidValue, "give this field once"));
        }
    }
    file.ok_or_else(|| Error::Invalid(vec![FieldError::new(FILE, Code::ValidationRequiredField, "required")]))
}

/// A form that is not read yet.
struct FormBody(RequestBody);

impl<'a> ApiExtractor<'a> for FormBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let file = MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        let form = MetaSchema { required: vec![FILE], properties: vec![(FILE, file)], ..MetaSchema::new("object") };
        let schema = MetaSchemaRef::Inline(Box::new(form));
        let content = vec![MetaMediaType { content_type: "multipart/form-data", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(_: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(Self(RequestBody::new(body.take().map_err(|_| ApiError(Error::Internal))?)))
    }
}

/// A picture as PNG.
struct Picture(Bytes);

impl IntoResponse for Picture {
    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type("image/png").body(self.0);
        let headers = response.headers_mut();
        // Another picture has another address.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        // Pages of any origin may show messages, and with them the pictures of their senders.
        headers.insert("Cross-Origin-Resource-Policy", HeaderValue::from_static("cross-origin"));
        response
    }
}

impl ApiResponse for Picture {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Success",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: "image/png", schema }],
                headers: allowance(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
