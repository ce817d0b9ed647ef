//! Stores that keep something else than what was put.

use super::*;

impl Faulty {
    /// Changes what is put.
    pub(super) fn bend(&self, change: &mut Change) {
        match self.fault {
            Fault::ReversesChanges => change.events.reverse(),
            Fault::ForgetsTheLastWrite if change.writes.len() > 1 => {
                change.writes.pop();
            }
            _ => {}
        }
        for write in &mut change.writes {
            match write {
                Write::Session(session) => match self.fault {
                    Fault::MergesRecords => {
                        let kept = self.notes().sessions.get(&session.id).and_then(|kept| kept.description.clone());
                        session.description = session.description.take().or(kept);
                    }
                    Fault::KeepsSignedNumbers => {
                        session.max_participants = session.max_participants.min(i32::MAX.unsigned_abs());
                    }
                    _ => {}
                },
                Write::Participant(record) => {
                    if self.has(Fault::ForgetsEngagement) {
                        record.is_engaged = false;
                    }
                }
            }
        }
        for event in &mut change.events {
            match &mut event.kind {
                EventKind::Message(MessageEvent::Sent { body, client_id }) => {
                    if self.has(Fault::ForgetsTheSendersName) {
                        *client_id = None;
                    }
                    match &mut body.content {
                        Content::Text(text) if self.has(Fault::TrimsTexts) => *text = text.trim().to_owned(),
                        Content::Text(text) if self.has(Fault::TakesTextForCiphertext) => {
                            if let Ok(sealed) = serde_json::from_str::<EncryptedContent>(text) {
                                body.content = Content::Encrypted(sealed);
                            }
                        }
                        Content::Text(_) => {}
                        Content::Encrypted(sealed) if self.has(Fault::TakesCiphertextForText) => {
                            body.content = Content::Text(sealed.encrypted_data.clone());
                        }
                        Content::Encrypted(_) => {}
                    }
                }
                EventKind::Session(SessionEvent::Updated { changes }) if self.has(Fault::ForgetsWhatWasTakenAway) => {
                    changes.description = changes.description.take().filter(Option::is_some);
                }
                EventKind::Session(SessionEvent::Created { .. })
                | EventKind::Session(SessionEvent::Updated { .. })
                | EventKind::Session(SessionEvent::Deleted)
                | EventKind::Participant(ParticipantEvent::Joined { .. })
                | EventKind::Participant(ParticipantEvent::Added { .. })
                | EventKind::Participant(ParticipantEvent::Left)
                | EventKind::Participant(ParticipantEvent::Removed { .. })
                | EventKind::Participant(ParticipantEvent::RoleChanged { .. }) => {}
            }
        }
    }
}
