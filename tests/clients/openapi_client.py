"""The package that openapi-python-client makes of the server's document; `run` made it as chat_client."""

from chat_client import AuthenticatedClient
from chat_client.api.events import list_events
from chat_client.api.messages import list_messages, send_message
from chat_client.api.participants import change_role
from chat_client.api.sessions import create_session, delete_session, get_session, join_session, leave_session
from chat_client.models import (
    ChangeRole,
    CreateSession,
    EncryptedContent,
    Message,
    ParticipantRole,
    Problem,
    SendMessage,
    SessionType,
)
from shared import API, client, equal, token


def connect(user):
    return AuthenticatedClient(base_url=API, token=token(user), raise_on_unexpected_status=True)


async def flow():
    alice, bob = connect("alice"), connect("bob")
    room = CreateSession(title="Lobby", session_type=SessionType.PUBLIC, max_participants=2)
    session = await create_session.asyncio(client=alice, body=room)
    equal(session.session_type, SessionType.PUBLIC)
    assert (await join_session.asyncio(session.id, client=bob)).participant_id

    hello = SendMessage(content="Hi everyone!", client_id="1")
    message = await send_message.asyncio(session.id, client=bob, body=hello)
    again = await send_message.asyncio(session.id, client=bob, body=hello)
    assert isinstance(message, Message), message
    equal(again.id, message.id)
    secret = EncryptedContent(encrypted_data="c2VjcmV0", iv="aXY=", key_version=1)
    await send_message.asyncio(session.id, client=bob, body=SendMessage(content=secret))

    admin = ChangeRole(role=ParticipantRole.ADMIN)
    promoted = await change_role.asyncio(session.id, "bob", client=alice, body=admin)
    equal(promoted.role, ParticipantRole.ADMIN)

    messages = await list_messages.asyncio(session.id, client=alice, limit=1, skip=1)
    equal([message.content for message in messages], [secret])
    log = await list_events.asyncio(session.id, client=alice, after=2)
    equal([event.seq for event in log.events], [3, 4, 5])
    equal(log.head, 5)

    empty = await send_message.asyncio(session.id, client=bob, body=SendMessage(content=""))
    assert isinstance(empty, Problem), empty
    equal(empty.status, 422)
    full = await join_session.asyncio(session.id, client=connect("carol"))
    equal(full.code, "SESSION_FULL")

    await leave_session.asyncio(session.id, client=bob)
    equal((await delete_session.asyncio_detailed(session.id, client=alice)).status_code, 204)
    equal((await get_session.asyncio(session.id, client=alice)).status, 404)
    return "generated without a warning; its package went through a session's life, and its errors are typed"


client("openapi-python-client", flow)
