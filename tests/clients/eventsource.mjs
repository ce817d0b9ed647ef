// What a browser's EventSource does with the stream of a session's events.
import assert from "node:assert/strict";
import { EventSource } from "eventsource";
import { client, rest, room, say, token, wire } from "./shared.mjs";

const NAMES = ["session_created", "user_joined", "user_left", "message_received", "participant_removed"];

await client("eventsource", async () => {
    const id = await room();
    const line = await wire();
    const asked = [];
    // As in a browser, which cannot send a header of one's own; this only looks on.
    const url = `http://${line.address}/api/v1/chat/sessions/${id}/events?after=0&token=${token("bob")}`;
    const source = new EventSource(url, {
        fetch: (url, init) => {
            asked.push(init.headers["Last-Event-ID"]);
            return fetch(url, init);
        },
    });

    const events = [];
    let wake = () => {};
    let refused;
    source.onerror = (error) => {
        refused = error.code;
        wake();
    };
    for (const name of NAMES) {
        source.addEventListener(name, (event) => {
            events.push({ name, id: event.lastEventId, ...JSON.parse(event.data) });
            wake();
        });
    }
    const when = async (there) => {
        while (!there()) {
            assert.notEqual(source.readyState, EventSource.CLOSED, `it was refused: ${refused}`);
            await new Promise((woken) => (wake = () => woken(null)));
        }
    };

    await when(() => events.length >= 2);
    line.cut();
    await say("alice", id, "while you were away");
    line.mend();
    await when(() => events.length >= 3);
    await say("alice", id, "and when you were back");
    await rest("alice", "DELETE", `/sessions/${id}/participants/bob`);
    await when(() => source.readyState === EventSource.CLOSED);

    // An id is a cursor, which begins with the position.
    assert.deepEqual(events.map((event) => event.id), events.map((event) => event.cursor));
    assert.deepEqual(events.map((event) => event.id.split("-")[0]), ["1", "2", "3", "4", "5"]);
    assert.deepEqual(events.map((event) => event.name), [
        "session_created", "user_joined", "message_received", "message_received", "participant_removed",
    ]);
    assert.equal(events[2].data.message.content, "while you were away");
    assert.equal(asked[0], undefined);
    assert(asked.slice(1, -1).every((position) => position === events[1].id), `it asked for what follows ${asked}`);
    assert.equal(asked.at(-1), events[4].id, "it asked again after the end, and was refused");
    return "followed a session, resumed by Last-Event-ID, was told of its removal and then refused";
});
