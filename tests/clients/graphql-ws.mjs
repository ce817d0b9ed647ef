// graphql-ws over a WebSocket: operations, a subscription that outlives its connection, and a token that expires.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { client, Follower, rest, room, say, SESSION_EVENTS, token, wire } from "./shared.mjs";

const as = (address, connectionParams, more = {}) =>
    createClient({ url: `ws://${address}/graphql`, webSocketImpl: WebSocket, connectionParams, ...more });

async function one(of, query, variables) {
    for await (const { data, errors } of of.iterate({ query, variables })) {
        if (errors) throw errors;
        return data;
    }
}

await client("graphql-ws", async () => {
    const line = await wire();
    const bob = as(line.address, () => ({ Authorization: `Bearer ${token("bob")}` }));

    const { createSession } = await one(
        bob,
        "mutation ($input: CreateSessionInput!) { createSession(input: $input) { session { id title owner { id } } } }",
        { input: { title: "Bob's", sessionType: "PUBLIC" } },
    );
    assert.equal(createSession.session.owner.id, "bob");
    const { session } = await one(bob, "query ($id: ID!) { session(id: $id) { title sessionType } }", createSession.session);
    assert.deepEqual({ ...session }, { title: "Bob's", sessionType: "PUBLIC" });
    await assert.rejects(one(bob, "{ me { nonsense } }"), (errors) => /nonsense/.test(errors[0].message));
    await assert.rejects(
        one(bob, "query ($id: ID!) { session(id: $id) { id } }", { id: "01900000-0000-7000-8000-000000000000" }),
        (errors) => /NOT_FOUND/.test(errors[0].extensions.code),
    );
    await bob.dispose();
    const nobody = as(line.address, { token: "none" }, { retryAttempts: 0 });
    await assert.rejects(one(nobody, "{ me { id } }"), (close) => close.code === 4403);

    // The variables are read at each connection, so the client resumes where it was.
    const id = await room();
    const follower = new Follower();
    const variables = { sessionId: id, get after() { return follower.last; } };
    let mended;
    const away = new Promise((back) => (mended = back));
    const reader = as(line.address, () => ({ token: token("bob") }), { retryWait: () => away });
    reader.subscribe({ query: SESSION_EVENTS, variables }, follower);
    await follower.until(2);
    line.cut();
    await say("alice", id, "while you were away");
    line.mend();
    mended();
    const missed = await follower.until(3);
    assert.equal(missed.message.content, "while you were away");
    const begins = follower.seen.filter(({ __typename }) => __typename === "Subscribed").map(({ after }) => after);
    assert.deepEqual(begins, [0, 2]);

    // A token that expires closes with 4403, which this client answers by asking for the parameters again.
    const lifetimes = ["8s", "1h"];
    const codes = [];
    const renewed = new Follower();
    const renewer = as(line.address, () => ({ token: token("bob", lifetimes.shift()) }), {
        on: { closed: (event) => codes.push(event.code) },
        retryWait: async () => {},
    });
    renewer.subscribe(
        { query: SESSION_EVENTS, variables: { sessionId: id, get after() { return renewed.last; } } },
        renewed,
    );
    await renewed.until(3);
    await renewed.when(() => renewed.seen.length === 5);
    assert.deepEqual([codes, lifetimes], [[4403], []]);
    await say("alice", id, "with a fresh token");
    await Promise.all([follower.until(4), renewed.until(4)]);

    await rest("alice", "DELETE", `/sessions/${id}`);
    for (const one of [follower, renewed]) {
        assert.equal((await one.until(5)).__typename, "SessionDeleted");
        await one.end();
    }
    await Promise.all([reader.dispose(), renewer.dispose()]);
    return "queried, mutated, followed a session, resumed after a cut and after its token had expired";
});
