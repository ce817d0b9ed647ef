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
    await rest("alice", "DELETE", `/sessions/${id}/participants/bob`);
    assert.equal((await follower.until(4)).__typename, "ParticipantRemoved");
    await follower.end();
    return "queried, followed a session, resumed after a cut, ended with its removal";
});
