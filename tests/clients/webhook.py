"""standardwebhooks: the signature of a delivered request, checked by the library of Standard Webhooks."""

import asyncio
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread

import httpx
from shared import API, client, equal, headers
from standardwebhooks import Webhook, WebhookVerificationError

GOT = Queue()


class Receiver(BaseHTTPRequestHandler):
    """Hands on each request, and accepts it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        GOT.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def refused(webhook, body, head):
    try:
        webhook.verify(body, head)
    except WebhookVerificationError:
        return True
    return False


async def event(name):
    """The next request with this event."""
    while True:
        head, body = await asyncio.to_thread(GOT.get, timeout=30)
        if json.loads(body)["event"] == name:
            return head, body


async def flow():
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=receiver.serve_forever, daemon=True).start()
    async with httpx.AsyncClient(headers=headers("alice")) as alice:

        async def post(path, body):
            answer = await alice.post(API + path, json=body)
            answer.raise_for_status()
            return answer.json()

        room = (await post("/sessions", {"title": "Lobby", "session_type": "PUBLIC"}))["id"]
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        created = await post(f"/sessions/{room}/webhooks", {"url": url, "events": ["message_received"]})
        webhook = Webhook(created["secret"])

        # Texts that another encoding would change.
        text = "Grüße, ${x} \"quoted\" \\ 👋🏽 \u2028"
        sent = await post(f"/sessions/{room}/messages", {"content": text})
        head, body = await event("message_received")
        verified = webhook.verify(body, head)
        equal(verified["seq"], sent["seq"])
        equal(verified["data"]["message"]["content"], text)
        equal(verified["data"]["session_id"], room)
        assert re.fullmatch("evt_[A-Za-z0-9_-]+", head["webhook-id"]), head

        # One that was changed on its way, and one of another webhook.
        assert refused(webhook, body + b" ", head), "a changed body was accepted"
        assert refused(webhook, body, {**head, "webhook-id": "evt_other"}), "another id was accepted"
        other = (await post(f"/sessions/{room}/webhooks", {"url": url, "is_active": False}))["secret"]
        assert refused(Webhook(other), body, head), "another secret was accepted"

        # After a rotation both secrets sign.
        rotated = await post(f"/sessions/{room}/webhooks/{created['webhook']['id']}/rotate-secret", {})
        await post(f"/sessions/{room}/messages", {"content": "again"})
        head, body = await event("message_received")
        webhook.verify(body, head)
        Webhook(rotated["secret"]).verify(body, head)
    receiver.shutdown()
    return "verified deliveries, refused changed ones, verified by both secrets after a rotation"


client("standardwebhooks", flow)
