// graphql-sse in its distinct connections mode: a subscription that outlives its connection.
import assert from "node:assert/strict";
import { createClient } from "graphql-sse";
import { client, Follower, rest, room, say, SESSION_EVENTS, token, wire } from "./shared.mjs";

await client("graphql-sse", async () => {
    const id = await room();
    const line = await wire();
    let mended;
    const away = new Promise((back) => (mended = back));
    const url = `http://${line.address}/graphql`;
    const headers = () => ({ Authorization: `Bearer ${token("bob")}` });
    const impatient = createClient({ url, headers, retryAttempts: 0 });
    for await (const { data, errors } of impatient.iterate({ query: "{ me { id } }" })) {
        assert.deepEqual([data.me.id, errors], ["bob", undefined]);
    }
    const bob = createClient({ url, headers, retry: () => away });

    const follower = new Follower();
    // The variables are read at each connection, so the client resumes where it was.
    bob.subscribe(
        { query: SESSION_EVENTS, variables: { sessionId: id, get after() { return follower.last; } } },
        follower,
    );
    await follower.until(2);
    line.cut();
    await say("alice", id, "while you were away");
    line.mend();
    mended();
    assert.equal((await follower.until(3)).message.content, "while you were away");

    // A stream ends with the token; this client comes back and asks for the headers again.
    const lifetimes = ["8s", "1h"];
    const renewed = new Follower();
    const renewer = createClient({
        url,
        headers: () => ({ Authorization: `Bearer ${token("bob", lifetimes.shift())}` }),
        retry: async () => {},
    });
    renewer.subscribe(
        { query: SESSION_EVENTS, variables: { sessionId: id, get after() { return renewed.last; } } },
        renewed,
    );
    await renewed.when(() => renewed.seen.length === 5);
    assert.deepEqual(lifetimes, []);

    await rest("alice", "DELETE", `/sessions/${id}/participants/bob`);
    for (const one of [follower, renewed]) {
        assert.equal((await one.until(4)).__typename, "ParticipantRemoved");
        await one.end();
    }
    return "queried, followed a session, resumed after a cut and after its token had expired, ended with its removal";
});
