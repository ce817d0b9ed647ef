//! The forms of events and records in a backup. The values in them are the stored forms.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::BackupError;
use crate::{
    model::{Event, EventKind, NewEvent, Seq, SessionId, UserId},
    store::{Json, Key, Part, Record, Table, Value, Version, decode_event, encode_event},
};

/// The contents of a block. A file is `Start`, then `Shared` blocks, then the sections of sessions, then `End`. A section is `Session`, then
/// `Log`, `Rewritten` and `Records` blocks, then `SessionEnd`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Block {
    Start {
        taken_at: DateTime<Utc>,
    },
    /// Records of no session.
    Shared(Vec<RecordForm>),
    /// The records and rows that follow are of this session.
    Session(SessionId),
    /// Rows of the log from a position on, without a hole.
    Log {
        from: Seq,
        rows: Vec<Row>,
    },
    /// Rows that were rewritten after they were copied. They replace the earlier copies.
    Rewritten(Vec<(Seq, Row)>),
    /// Records. Only those of the last attempt count.
    Records {
        attempt: u32,
        records: Vec<RecordForm>,
    },
    SessionEnd {
        position: Seq,
        attempt: u32,
        records: u64,
    },
    /// A record that the store could not read, and that is not in the file.
    LeftOut(LeftOut),
    /// The backup failed here: why.
    Failed(String),
    End {
        sessions: u64,
        events: u64,
        records: u64,
        left_out: u64,
    },
}

impl Block {
    /// The last part, which alone can make a block too long.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Log { from, rows } => {
                format!("the event at position {}", from + (rows.len() as u64).saturating_sub(1))
            }
            Self::Rewritten(rows) => {
                format!("the event at position {}", rows.last().map_or(0, |(seq, _)| *seq))
            }
            Self::Shared(records) | Self::Records { records, .. } => {
                records.last().map_or_else(String::new, |record| format!("a record of the table {}", record.table))
            }
            Self::Start { .. }
            | Self::Session(_)
            | Self::SessionEnd { .. }
            | Self::LeftOut(_)
            | Self::Failed(_)
            | Self::End { .. } => "a block".to_owned(),
        }
    }
}

/// A record that is missing in a backup, since the store could not read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The table and the key.
    pub record: String,
    /// Why it cannot be read.
    pub fault: String,
}

impl LeftOut {
    /// What a scan shows in the place of a record that cannot be read; `None` for a record.
    pub(super) fn of(key: &Key, record: &Record) -> Option<Self> {
        let fault = record.value.fault()?.to_owned();
        let part = |part: &Part| match part {
            Part::Number(number) => number.to_string(),
            Part::Text(text) => format!("{text:?}"),
            Part::Uuid(id) => id.to_string(),
            Part::Here(_) | Part::NewestHere(_) => "?".to_owned(),
        };
        let parts: Vec<_> = key.parts.iter().map(part).collect();
        Some(Self { record: format!("{}[{}]", key.table.name, parts.join(", ")), fault })
    }
}

/// An event without its session and position.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) created_at: DateTime<Utc>,
    actor: String,
    pub(super) governs: bool,
    pub(super) revision: u64,
    pub(super) revised: Seq,
    event: String,
}

/// A record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordForm {
    table: String,
    key: Vec<PartForm>,
    value: Json,
    format: u32,
    pub(super) version: u64,
    pub(super) at: Seq,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartForm {
    Number(u64),
    Text(String),
    Uuid(Uuid),
}

impl Row {
    pub(super) fn of(event: &Event) -> Result<Self, BackupError> {
        let Event { session_id, seq, number, created_at, actor, kind, governs, revision, revised } = event;
        if *kind == EventKind::Unknown {
            return Err(BackupError::Newer { session: *session_id, seq: *seq });
        }
        Ok(Self {
            number: *number,
            created_at: *created_at,
            actor: actor.as_str().to_owned(),
            governs: *governs,
            revision: *revision,
            revised: *revised,
            event: encode_event(kind),
        })
    }

    pub(super) const fn bytes(&self) -> usize {
        self.event.len()
    }

    pub(super) fn event(&self) -> Result<NewEvent, String> {
        let actor = UserId::from_stored(&self.actor).map_err(|error| error.to_string())?;
        let kind = decode_event(&self.event)?;
        if kind == EventKind::Unknown {
            return Err("an event that this version does not know".to_owned());
        }
        Ok(NewEvent { actor, created_at: self.created_at, kind })
    }
}

impl RecordForm {
    pub(super) fn bytes(&self) -> usize {
        self.value.to_string().len()
    }

    /// `None` for a key that is not resolved, which no store returns.
    pub(super) fn of(key: &Key, record: &Record) -> Option<Self> {
        let part = |part: &Part| match part {
            Part::Number(number) => Some(PartForm::Number(*number)),
            Part::Text(text) => Some(PartForm::Text(text.clone())),
            Part::Uuid(id) => Some(PartForm::Uuid(*id)),
            Part::Here(_) | Part::NewestHere(_) => None,
        };
        Some(Self {
            table: key.table.name.to_owned(),
            key: key.parts.iter().map(part).collect::<Option<_>>()?,
            value: record.value.encode(),
            format: key.table.format,
            version: record.version.0,
            at: record.at,
        })
    }

    pub(super) fn record(self, tables: &[&'static Table]) -> Result<(Key, Record), String> {
        let Self { table, key, value, format, version, at } = self;
        let table = tables.iter().find(|known| known.name == table).ok_or_else(|| format!("no table `{table}`"))?;
        if format > table.format {
            return Err(format!("format {format} of the table `{}` is newer than this program", table.name));
        }
        if key.len() != table.parts.len() {
            return Err(format!("a key of the table `{}` with {} parts", table.name, key.len()));
        }
        if key.iter().any(|part| matches!(part, PartForm::Number(number) if *number > Part::MAX_NUMBER)) {
            return Err(format!("a key of the table `{}` with a number that is too large", table.name));
        }
        if format == 0 {
            return Err(format!("format 0 of the table `{}`", table.name));
        }
        let part = |part| match part {
            PartForm::Number(number) => Part::Number(number),
            PartForm::Text(text) => Part::Text(text),
            PartForm::Uuid(id) => Part::Uuid(id),
        };
        let key = Key { table, parts: key.into_iter().map(part).collect() };
        let value = Value::decode(&key, format, value)?;
        Ok((key, Record { value, version: Version(version), at }))
    }
}
