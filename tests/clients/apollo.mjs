// Apollo Client: HTTP for queries and mutations, graphql-ws for subscriptions, and its normalised cache.
import assert from "node:assert/strict";
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache, ServerError } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { client, Follower, room, say, server, SESSION_EVENTS, token, wire } from "./shared.mjs";

const MESSAGES = gql`
    query ($id: ID!) {
        session(id: $id) { id title messages(first: 10) { nodes { id content } } }
    }`;

await client("@apollo/client", async () => {
    const line = await wire();
    const Authorization = `Bearer ${token("alice")}`;
    const http = new HttpLink({ uri: `${server}/graphql`, headers: { Authorization } });
    const url = `ws://${line.address}/graphql`;
    const socket = createClient({ url, webSocketImpl: WebSocket, connectionParams: { Authorization }, retryAttempts: 0 });
    const subscribes = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
    // Which types an interface or a union has, as the server tells it.
    const kinds = gql`{ __schema { types { name possibleTypes { name } } } }`;
    const { data: { __schema } } = await new ApolloClient({ link: http, cache: new InMemoryCache() }).query({ query: kinds });
    const possibleTypes = {};
    for (const type of __schema.types) {
        if (type.possibleTypes) possibleTypes[type.name] = type.possibleTypes.map(({ name }) => name);
    }
    const apollo = new ApolloClient({
        link: ApolloLink.split(subscribes, new GraphQLWsLink(socket), http),
        cache: new InMemoryCache({ possibleTypes }),
    });

    const id = await room();
    await say("bob", id, "Hi!");
    const { data } = await apollo.query({ query: MESSAGES, variables: { id } });
    assert.equal(data.session.messages.nodes[0].content, "Hi!");
    const first = data.session.messages.nodes[0].id;
    const cached = apollo.cache.extract();
    assert.equal(cached[`Session:${id}`].title, "Lobby");
    assert.equal(cached[`Message:${first}`].content, "Hi!");

    // What a mutation answers reaches whoever watches the same session.
    const titles = [];
    const watch = apollo.watchQuery({ query: MESSAGES, variables: { id } });
    const renamed = new Promise((done) => {
        watch.subscribe(({ data }) => titles.push(data.session?.title) && titles.includes("Salon") && done(null));
    });
    await apollo.mutate({
        mutation: gql`
            mutation ($input: UpdateSessionInput!) {
                updateSession(input: $input) { session { id title } }
            }`,
        variables: { input: { sessionId: id, title: "Salon" } },
    });
    await renamed;

    const follower = new Follower();
    const query = gql(SESSION_EVENTS);
    const follow = () => apollo.subscribe({ query, variables: { sessionId: id, after: follower.last } });
    const lost = new Promise((gone) => {
        follow().subscribe((result) => (result.error ? gone(null) : follower.next(result)));
    });
    await follower.until(4);
    line.cut();
    // Apollo gives up with the connection; whoever uses it subscribes again.
    await lost;
    await say("bob", id, "while you were away");
    line.mend();
    follow().subscribe(follower);
    const { message } = await follower.until(5);
    assert.equal(apollo.cache.extract()[`Message:${message.id}`].content, "while you were away");

    const unknown = apollo.query({ query: MESSAGES, variables: { id: "01900000-0000-7000-8000-000000000000" } });
    await assert.rejects(unknown, (error) => {
        return CombinedGraphQLErrors.is(error) && /NOT_FOUND/.test(error.errors[0].extensions.code);
    });
    const stranger = new ApolloClient({ link: new HttpLink({ uri: `${server}/graphql` }), cache: new InMemoryCache() });
    const refused = stranger.query({ query: gql`{ me { id } }` });
    await assert.rejects(refused, (error) => {
        return CombinedGraphQLErrors.is(error) || (ServerError.is(error) && error.statusCode === 401);
    });
    return "queried, mutated, normalised by id, followed a session over a WebSocket, resumed after a cut";
});
