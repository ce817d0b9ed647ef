//! A JSON body that may be left out.

use chatcore::json;
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaRequest, Registry},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{
    extract::{check_type, read, request_meta},
    problem::ApiError,
    shape::Shape,
};

/// A JSON body that may be left out.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<'a, T: JsonSchema + DeserializeOwned + Default> ApiExtractor<'a> for OptionalJson<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Shape::<T>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        request_meta(Shape::<T>::reference(), false)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read(request, body).await.map_err(ApiError)?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        check_type(request).map_err(ApiError)?;
        Ok(Self(json::parse(&bytes).map_err(ApiError)?))
    }
}
