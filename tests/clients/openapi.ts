// The types that openapi-typescript makes of the server's document, and openapi-fetch over them.
import assert from "node:assert/strict";
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";
import { api, client, token } from "./shared.mjs";

type Problem = components["schemas"]["Problem"];

// What this client reads: an operation that can also answer a stream has then one type.
const connect = () => createClient<paths, `application/${string}json`>({ baseUrl: api });

function as(user: string) {
    const bearer = token(user);
    const authenticate: Middleware = {
        onRequest({ request }) {
            request.headers.set("Authorization", `Bearer ${bearer}`);
        },
    };
    const made = connect();
    made.use(authenticate);
    return made;
}

function good<T>(answer: { data?: T; error?: Problem; response: Response }): T {
    assert(answer.data !== undefined, `${answer.response.status} ${JSON.stringify(answer.error)}`);
    return answer.data;
}

await client("openapi-typescript", async () => {
    const [alice, bob] = [as("alice"), as("bob")];
    const session = good(
        await alice.POST("/sessions", { body: { title: "Lobby", session_type: "PUBLIC", max_participants: 2 } }),
    );
    const path = { session_id: session.id };
    const joined = good(await bob.POST("/sessions/{session_id}/join", { params: { path } }));
    assert(joined.participant_id);

    const say = { params: { path }, body: { content: "Hi everyone!", client_id: "1" } };
    const message = good(await bob.POST("/sessions/{session_id}/messages", say));
    const again = good(await bob.POST("/sessions/{session_id}/messages", say));
    assert.equal(again.id, message.id);
    const encrypted = { encrypted_data: "c2VjcmV0", iv: "aXY=", key_version: 1 };
    good(await bob.POST("/sessions/{session_id}/messages", { params: { path }, body: { content: encrypted } }));

    const promoted = good(
        await alice.PUT("/sessions/{session_id}/participants/{user_id}/role", {
            params: { path: { ...path, user_id: "bob" } },
            body: { role: "ADMIN" },
        }),
    );
    assert.equal(promoted.role satisfies components["schemas"]["ParticipantRole"], "ADMIN");

    const page = { params: { path, query: { limit: 1, skip: 1 } } };
    const [second] = good(await alice.GET("/sessions/{session_id}/messages", page));
    assert.deepEqual(second?.content, encrypted);
    const log = good(await alice.GET("/sessions/{session_id}/events", { params: { path, query: { after: 2 } } }));
    assert.deepEqual(log.events.map(({ seq }) => seq), [3, 4, 5]);
    assert.equal(log.head, 5);

    const empty = await bob.POST("/sessions/{session_id}/messages", { params: { path }, body: { content: "" } });
    const problem: Problem | undefined = empty.error;
    assert.equal(empty.response.status, 422);
    assert.equal(problem?.status, 422);
    const full = await as("carol").POST("/sessions/{session_id}/join", { params: { path } });
    assert.equal(full.error?.code, "SESSION_FULL");
    const nobody = await connect().GET("/sessions");
    assert.equal(nobody.response.status, 401);
    assert(nobody.error?.code);

    good(await bob.POST("/sessions/{session_id}/leave", { params: { path } }));
    assert.equal((await alice.DELETE("/sessions/{session_id}", { params: { path } })).response.status, 204);
    assert.equal((await alice.GET("/sessions/{session_id}", { params: { path } })).error?.status, 404);
    return "compiled under tsc --strict; openapi-fetch went through a session's life, and its errors are typed";
});
