//! The schemas of ids: all of them are strings on the wire.

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use crate::model::{
        AuditId, ClientId, Cursor, Emoji, HeldId, InviteCode, InviteId, LoginId, MessageId, ModerationId, NoticeId,
        ParticipantId, ReportId, ScheduledId, SessionId, UserId, WebhookId,
    };

    macro_rules! text {
        ($($id:ident),*) => {$(
            impl JsonSchema for $id {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($id).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string" })
                }
            }
        )*};
    }

    text!(
        AuditId,
        ClientId,
        Cursor,
        Emoji,
        HeldId,
        InviteCode,
        InviteId,
        LoginId,
        MessageId,
        ModerationId,
        NoticeId,
        ParticipantId,
        ReportId,
        ScheduledId,
        SessionId,
        UserId,
        WebhookId
    );
}
