//! The paths of the frontend in an app.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use chatcore_http::{PageStyles, page_headers};
use poem::{
    Endpoint, EndpointExt as _, Request, Response, Route,
    endpoint::{BoxEndpoint, make_sync},
    error::{NotFoundError, RouteError},
    get,
    http::StatusCode,
};

use crate::{
    BASES, ChatFrontend, Problems, TITLE, document,
    routes::Routes,
    ws::{self, WsEndpoint},
};

/// The reason why an app cannot have a frontend's paths: the app already has a path, or a text is not a valid path.
pub type MountError = RouteError;

/// The paths of a frontend in an app, apart from the REST operations' own paths, and the title of the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions {
    /// The prefix of all paths, including the REST operations: `/support` makes `/support/ws`. Empty for no prefix.
    pub prefix: String,
    /// The path of the WebSocket.
    pub socket: String,
    /// The path of the OpenAPI document; `None` for no document.
    pub document: Option<String>,
    /// The path of Swagger UI over the OpenAPI document; `None` for no Swagger UI.
    pub docs: Option<String>,
    /// The title of the OpenAPI document and of Swagger UI.
    pub title: String,
}

impl Default for MountOptions {
    fn default() -> Self {
        let path = |path: &str| Some(path.to_owned());
        Self {
            prefix: String::new(),
            socket: "/ws".to_owned(),
            document: path("/openapi.json"),
            docs: path("/docs"),
            title: TITLE.to_owned(),
        }
    }
}

impl MountOptions {
    /// Sets the prefix, for example `/support`.
    #[must_use]
    pub fn below(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets the title of the documents.
    #[must_use]
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// Removes the OpenAPI document and Swagger UI.
    #[must_use]
    pub fn without_documents(self) -> Self {
        Self { document: None, docs: None, ..self }
    }
}

impl ChatFrontend {
    /// Adds the frontend's paths to an app, at their default places.
    ///
    /// An app that answers `/openapi.json` or `/docs` itself keeps these paths, and the frontend's own documents are not mounted. The
    /// frontend's other paths have precedence over the app's paths. [`mount_with`](Self::mount_with) uses other paths, and reports
    /// conflicts.
    #[must_use]
    pub fn mount(&self, app: Route) -> Route {
        let MountOptions { prefix: _, socket, document, docs, title } = MountOptions::default();
        // A new route has no paths that could be in the way.
        let route = self.operations(Route::new(), &socket).unwrap_or_default();
        let document = document.map(|path| (path.clone(), self.document_at(&path, &title).boxed()));
        let docs = docs.map(|path| (path.clone(), self.docs_at(&path, &title).boxed()));
        route.nest("/", Completed { app, documents: document.into_iter().chain(docs).collect() })
    }

    /// Adds the frontend's paths to an app.
    ///
    /// # Errors
    /// [`MountError`] when the app has one of the paths or the prefix, or when a text is not a valid path.
    pub fn mount_with(&self, app: Route, options: &MountOptions) -> Result<Route, MountError> {
        match options.prefix.trim_end_matches('/') {
            "" => self.mount_here(app, options),
            prefix => app.try_nest(prefix, self.mount_here(Route::new(), options)?),
        }
    }

    fn mount_here(&self, app: Route, options: &MountOptions) -> Result<Route, MountError> {
        let MountOptions { prefix: _, socket, document, docs, title } = options;
        let mut app = self.operations(app, socket)?;
        if let Some(path) = document {
            app = app.try_at(path, self.document_at(path, title))?;
        }
        if let Some(path) = docs {
            app = app.try_at(path, self.docs_at(path, title))?;
        }
        Ok(app)
    }

    /// Adds the WebSocket and the REST operations.
    fn operations(&self, app: Route, socket: &str) -> Result<Route, MountError> {
        let api = Arc::new(self.chat_operations().1);
        // poem answers HEAD as GET where it has no endpoint of its own, and would upgrade it.
        let mut app = app.try_at(socket, self.wrap_get(ws::OPEN, get(WsEndpoint).head(WsEndpoint), true))?;
        for base in BASES {
            app = app.try_nest(base, self.wrap(base, Arc::clone(&api)))?;
        }
        #[cfg(feature = "accounts")]
        let app = self.account_operations(app)?;
        let app = self.admin_operations(app)?;
        self.health_paths(app)
    }

    fn document_at(&self, path: &str, title: &str) -> impl Endpoint<Output = Response> + 'static {
        let document = document::placed(self.openapi().clone(), title, path).to_string();
        self.wrap_get("openApiDocument", get(fixed("application/json", document.into())), false)
    }

    fn docs_at(&self, path: &str, title: &str) -> impl Endpoint<Output = Response> + 'static {
        let page = document::page(&document::placed(self.openapi().clone(), title, path));
        // Its own library adds styles.
        let headers = page_headers(&page, PageStyles::Any);
        let page = Bytes::from(page);
        let endpoint = make_sync(move |_| {
            let response =
                headers.iter().fold(Response::builder(), |response, (name, value)| response.header(*name, value));
            response.body(page.clone())
        });
        self.wrap_get("docs", get(endpoint), false)
    }

    /// What stands before an endpoint that takes GET at one path. Documents cost nothing, so requests for them are not counted.
    /// `name` stands for the endpoint in the log.
    pub(crate) fn wrap_get<E: Endpoint + 'static>(
        &self,
        name: &'static str,
        endpoint: E,
        counts_strangers: bool,
    ) -> impl Endpoint<Output = Response> + 'static {
        let (routes, name) = (Arc::new(Routes::Get), Some(name));
        let problems = Problems { routes, counts_strangers, name, ..self.problems_below("") };
        endpoint.data(Arc::clone(&self.state)).with(problems)
    }
}

fn fixed(content_type: &'static str, body: Bytes) -> impl Endpoint<Output = Response> + 'static {
    // Public, and another one after an update.
    make_sync(move |_| {
        Response::builder().content_type(content_type).header("Cache-Control", "no-cache").body(body.clone())
    })
}

/// An app that has documents where it has nothing itself.
struct Completed {
    app: Route,
    documents: BTreeMap<String, BoxEndpoint<'static>>,
}

impl Endpoint for Completed {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let Some(document) = self.documents.get(request.uri().path()) else { return self.app.call(request).await };
        // Without its body, which no document needs.
        let mut again = Request::builder().method(request.method().clone()).uri(request.uri().clone()).finish();
        again.headers_mut().clone_from(request.headers());
        again.extensions_mut().clone_from(request.extensions());
        match self.app.call(request).await {
            Err(error) if error.is::<NotFoundError>() => document.call(again).await,
            Ok(response) if response.status() == StatusCode::NOT_FOUND => document.call(again).await,
            answer => answer,
        }
    }
}
