"""gql: the schema by introspection, queries checked against it, a subscription that outlives its connection."""

import httpx
from gql import Client, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from graphql import GraphQLError
from shared import API, SERVER, client, equal, headers

SESSION_EVENTS = gql("""
    subscription ($sessionId: ID!, $after: Long) {
      sessionEvents(sessionId: $sessionId, after: $after) {
        __typename
        ... on Subscribed { sessionId after }
        ... on SessionEvent { seq createdAt actor { id } }
        ... on MessageSent { message { content } }
      }
    }""")


def rest(user, method, path, body=None):
    httpx.request(method, API + path, json=body, headers=headers(user)).raise_for_status()


async def raised(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


async def follow(schema, session_id, after, until, meanwhile):
    """Follows from a position; once it stands at `until`, does something and goes on. Gives the events, and what ended it."""
    url = SERVER.replace("http", "ws") + "/graphql"
    protocols = [WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
    transport = WebsocketsTransport(url, init_payload=headers("bob"), subprotocols=protocols)
    seen, lost = [], None
    try:
        async with Client(transport=transport, schema=schema) as session:
            query = SESSION_EVENTS
            query.variable_values = {"sessionId": session_id, "after": after}
            async for result in session.subscribe(query):
                seen.append(result["sessionEvents"])
                if seen[-1].get("seq", after) == until:
                    until = None
                    meanwhile(transport)
    except TransportError as error:
        lost = error
    equal(seen[0], {"__typename": "Subscribed", "sessionId": session_id, "after": after})
    return seen[1:], lost


async def flow():
    transport = HTTPXAsyncTransport(f"{SERVER}/graphql", headers=headers("alice"))
    async with Client(transport=transport, fetch_schema_from_transport=True) as alice:
        schema = alice.client.schema
        equal((await alice.execute(gql("{ me { id } }")))["me"], {"id": "alice"})
        # Not sent at all: the schema does not know it.
        assert "nonsense" in str(await raised(GraphQLError, alice.execute(gql("{ me { nonsense } }"))))

        create = gql("mutation ($i: CreateSessionInput!) { createSession(input: $i) { session { id sessionType } } }")
        create.variable_values = {"i": {"title": "Lobby", "sessionType": "PUBLIC"}}
        made = (await alice.execute(create))["createSession"]["session"]
        equal(made["sessionType"], "PUBLIC")
        unknown = gql('{ session(id: "01900000-0000-7000-8000-000000000000") { id } }')
        error = await raised(TransportQueryError, alice.execute(unknown))
        assert error.errors[0]["extensions"]["code"].endswith("NOT_FOUND"), error.errors
    stranger = Client(transport=HTTPXAsyncTransport(f"{SERVER}/graphql"))
    refused = await raised(TransportQueryError, stranger.execute_async(gql("{ me { id } }")))
    assert refused.errors[0]["extensions"]["code"], refused.errors

    room = made["id"]
    rest("bob", "POST", f"/sessions/{room}/join")

    def cut(transport):
        transport.adapter.websocket.transport.abort()

    first, lost = await follow(schema, room, 0, 2, cut)
    assert lost, "the cut was not noticed"
    rest("alice", "POST", f"/sessions/{room}/messages", {"content": "while you were away"})
    second, lost = await follow(schema, room, 2, 3, lambda _: rest("alice", "DELETE", f"/sessions/{room}"))
    equal(lost, None)
    equal([event["seq"] for event in first + second], [1, 2, 3, 4])
    equal(second[0]["message"], {"content": "while you were away"})
    equal(second[-1]["__typename"], "SessionDeleted")
    return "took the schema by introspection, checked queries by it, mutated, followed a session, resumed after a cut"


client("gql", flow)
