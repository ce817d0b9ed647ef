const url = location.origin + location.pathname;
const fetcher = GraphiQL.createFetcher({ url, subscriptionUrl: url.replace(/^http/, "ws") });
const headers = '{"Authorization": "Bearer <token>"}';
ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, { fetcher, defaultHeaders: headers, defaultEditorToolsVisibility: "headers" }),
);
