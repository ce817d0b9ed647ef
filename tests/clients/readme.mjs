// The subscription that README.md shows, word for word, over a connection that is cut.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createClient as create } from "graphql-ws";
import WebSocket from "ws";
import { client, rest, room, say, token as tokenOf, wire } from "./shared.mjs";

await client("graphql-ws", async () => {
    const shown = /<!-- subscription -->\n```js\n(.*?)```/s.exec(readFileSync(process.env.CHAT_README, "utf8"))[1];
    const line = await wire();
    const id = await room();
    const told = [];
    let enough;
    const all = (count) => new Promise((done) => ((enough = () => told.length >= count && done(null)), enough()));
    const createClient = (options) => create({ ...options, webSocketImpl: WebSocket });
    const console = { log: (...words) => told.push(words.join(" ").trim()) && enough?.() };
    const Async = Object.getPrototypeOf(async () => {}).constructor;
    const example = new Async("createClient", "url", "token", "id", "console", shown);
    const ended = example(createClient, `ws://${line.address}/graphql`, tokenOf("bob"), id, console);
    await all(3);
    line.cut();
    await say("alice", id, "while it was cut");
    line.mend();
    await all(4 + 1);
    await rest("alice", "DELETE", `/sessions/${id}`);
    await ended;
    const events = told.filter((line) => line !== "Subscribed");
    const expected = ["SessionCreated alice", "ParticipantJoined bob", "MessageSent alice while it was cut", "SessionDeleted alice"];
    assert.deepEqual(events, expected);
    return "ran README.md's subscription, which was cut and missed nothing";
});
