// What the clients share: tokens, requests of the people they chat with, and a wire that can be cut.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import net from "node:net";

export const server = process.env.CHAT_URL;
export const api = `${server}/api/v1/chat`;

/** Runs the flow of a client, an npm package, and prints what it did or why it failed.
 * @param {string} name @param {() => Promise<string>} flow */
export async function client(name, flow) {
    const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
    const fail = (error) => {
        const close = error?.reason === undefined ? undefined : `closed with ${error.code} ${error.reason}`;
        console.error(`FAILED ${name} ${version}:`, error?.stack ?? close ?? error?.message ?? JSON.stringify(error));
        process.exit(1);
    };
    process.on("unhandledRejection", fail);
    setTimeout(() => fail(new Error("not done within 60 seconds")), 60_000);
    await flow().then((did) => console.log(`ok ${name} ${version} ${did}`), fail);
    process.exit(0);
}

/** A token as the server's owner hands it out.
 * @param {string} user @param {string} lifetime */
export function token(user, lifetime = "1h") {
    const args = ["token", "--user", user, "--lifetime", lifetime, "--data", process.env.CHAT_DATA];
    return execFileSync(process.env.CHAT_SERVER, args, { encoding: "utf8" }).trim();
}

/** A plain request: what the others in the room do.
 * @param {string} user @param {string} method @param {string} path @param {unknown} body */
export async function rest(user, method, path, body = undefined) {
    const headers = { Authorization: `Bearer ${token(user)}`, "Content-Type": "application/json" };
    const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    assert(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
}

/** Says something. @param {string} user @param {string} room @param {string} content */
export const say = (user, room, content) => rest(user, "POST", `/sessions/${room}/messages`, { content });

/** A public room of alice's in which bob is: two events. */
export async function room() {
    const { id } = await rest("alice", "POST", "/sessions", { title: "Lobby", session_type: "PUBLIC" });
    await rest("bob", "POST", `/sessions/${id}/join`);
    return id;
}

/** A relay to the server. `cut` breaks what goes over it and refuses more, until `mend`. */
export async function wire() {
    const open = new Set();
    let broken = false;
    const relay = net.createServer((near) => {
        if (broken) return near.destroy();
        const far = net.connect(Number(new URL(server).port), "127.0.0.1");
        for (const [from, to] of [[near, far], [far, near]]) {
            open.add(from);
            from.pipe(to);
            from.on("error", () => {}).on("close", () => open.delete(from) && to.destroy());
        }
    });
    await new Promise((listening) => relay.listen(0, "127.0.0.1", () => listening(null)));
    return {
        address: `127.0.0.1:${relay.address().port}`,
        cut: () => {
            broken = true;
            open.forEach((socket) => socket.resetAndDestroy());
        },
        mend: () => {
            broken = false;
        },
    };
}

/** The query of what happens in a session. Its variables are `sessionId` and `after`. */
export const SESSION_EVENTS = `
    subscription ($sessionId: ID!, $after: Long) {
        sessionEvents(sessionId: $sessionId, after: $after) {
            __typename
            ... on Subscribed { sessionId after }
            ... on SessionEvent { sessionId seq createdAt actor { id name } }
            ... on ParticipantRoleChanged { user { id } previousRole role }
            ... on MessageSent { message { id content sender { id } } }
        }
    }`;

/** Takes the results of `sessionEvents`, as the observer that every client wants, and waits for them. */
export class Follower {
    /** The results, over all connections. */
    seen = [];
    #wake = () => {};
    #ended = false;
    #failed = null;

    next = (result) => {
        const wrong = result.errors ?? result.error;
        if (wrong) return this.error(wrong);
        this.seen.push(result.data.sessionEvents);
        this.#wake();
    };
    error = (error) => {
        this.#failed = error;
        this.#wake();
    };
    complete = () => {
        this.#ended = true;
        this.#wake();
    };

    get events() {
        return this.seen.filter(({ __typename }) => __typename !== "Subscribed");
    }
    get last() {
        return this.events.at(-1)?.seq ?? 0;
    }

    /** Waits until the event at this position is there, and every one before it once and in order. */
    async until(seq) {
        await this.when(() => this.last >= seq);
        assert.deepEqual(this.events.map((event) => event.seq), Array.from({ length: seq }, (_, i) => i + 1));
        return this.events.at(-1);
    }
    /** Waits for the server to complete. */
    end = () => this.when(() => this.#ended);
    /** Waits until this holds; it is asked again after each result. */
    async when(there) {
        while (!there()) {
            if (this.#failed) throw this.#failed;
            assert(!this.#ended, "it ended before its time");
            await new Promise((wake) => (this.#wake = () => wake(null)));
        }
    }
}
