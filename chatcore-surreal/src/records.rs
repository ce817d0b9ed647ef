//! Records: how values become rows and back, and the reads of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{PoisonError, RwLock},
};

use chatcore::{
    StoreError,
    store::{Json, Key, Prefix, Record, Scan, TABLES, Table, Value, Version},
};
use surrealdb::types::{Number, Object, RecordId, SurrealValue, Value as Field};

use crate::{
    engine::{Engine, bind},
    keys::{self, signed, unsigned},
    rows, schema,
};

/// The columns that are not a part of the value.
const VERSION: &str = "_version";
const AT: &str = "_at";
const FORMAT: &str = "_format";
const HELD: &str = "_held";
/// A value that is no object.
pub(crate) const SINGLE: &str = "_value";

/// Stands before the names of a value's fields that would be taken for others.
const ESCAPE: &str = "__";

const FIND: &str = "SELECT * FROM $ids";
const MANY_SCANS: &str = "RETURN $scans.map(|$scan| \
    (SELECT * FROM array::first([$scan.range]) LIMIT $scan.limit START $scan.skip))";
/// A plain `LIMIT` on a range of keys reads the whole range. Behind `array::first([…])` it stops when it has enough; a test looks at the
/// plan, since that is the planner's doing.
pub(crate) const SCAN: &str = "SELECT * FROM array::first([$scan.range]) LIMIT $scan.limit START $scan.skip";
const COUNT: &str = "RETURN $ranges.map(|$range| (SELECT count() FROM $range GROUP ALL)[0].count ?? 0)";

/// The tables that the database has. Another one is defined when it is first used, since the database refuses to select from a table that it
/// does not know.
#[derive(Debug)]
pub(crate) struct Tables(RwLock<BTreeMap<&'static str, &'static Table>>);

impl Default for Tables {
    fn default() -> Self {
        Self(RwLock::new(of_schema()))
    }
}

fn of_schema() -> BTreeMap<&'static str, &'static Table> {
    TABLES.iter().filter(|table| schema::defines(table.name)).map(|table| (table.name, *table)).collect()
}

impl Tables {
    /// Forgets the tables that the schema does not define.
    pub(crate) fn reset(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = of_schema();
    }

    /// The tables that are not known yet. A table whose name another one has is an error.
    fn missing(&self, tables: impl Iterator<Item = &'static Table>) -> Result<Vec<&'static Table>, StoreError> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::<&'static Table>::new();
        for table in tables {
            let among = missing.iter().find(|earlier| earlier.name == table.name);
            let earlier: Option<&'static Table> = known.get(table.name).or(among).copied();
            match earlier {
                None => missing.push(table),
                Some(earlier) if earlier.is(table) => {}
                Some(_) => return Err(no_name(table, "another table has it")),
            }
        }
        Ok(missing)
    }
}

/// Tables that hold no records, and those of earlier versions.
const OWN: [&str; 4] = ["log", "checkpoint", "schema_version", "listing"];

/// Defines the tables that the database does not have yet.
pub(crate) async fn define(engine: &Engine, used: impl Iterator<Item = &'static Table>) -> Result<(), StoreError> {
    let missing = engine.tables.missing(used)?;
    for table in missing {
        let name = table.name;
        if OWN.contains(&name) || name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            return Err(no_name(
                table,
                "the store keeps it for itself, or it holds more than lowercase letters and `_`",
            ));
        }
        engine.define(name).await?;
        engine.tables.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, table);
    }
    Ok(())
}

fn no_name(table: &Table, why: &str) -> StoreError {
    StoreError::Backend(format!("`{}` cannot be the name of a table: {why}", table.name).into())
}

/// A part of a table.
#[derive(Debug, SurrealValue)]
pub(crate) struct Part {
    range: RecordId,
    skip: i64,
    limit: i64,
}

impl Part {
    pub(crate) fn of(scan: &Scan) -> Self {
        // Within a closure the database takes no larger numbers. No list is as long.
        let most = |number: u64| signed(number.min(u32::MAX.into()));
        Self { range: keys::scan(scan), skip: most(scan.skip), limit: most(scan.limit) }
    }
}

/// A row for a record that a change writes.
pub(crate) fn row(key: &Key, record: &Record) -> Field {
    let mut fields = match field(record.value.encode()) {
        Field::Object(fields) => fields,
        single => {
            let mut fields = Object::new();
            fields.insert(SINGLE, single);
            fields
        }
    };
    fields.insert("id", Field::RecordId(keys::record(key)));
    fields.insert(VERSION, signed(record.version.0).into_value());
    fields.insert(AT, signed(record.at).into_value());
    fields.insert(FORMAT, i64::from(key.table.format).into_value());
    Field::Object(fields)
}

/// A row as a record. A row of an earlier version of this crate has no version and no format.
pub(crate) fn record(table: &'static Table, row: Field) -> Result<(Key, Record), StoreError> {
    let id = keys::of_row(&row).cloned().ok_or_else(|| StoreError::Corrupt("a row without an id".to_owned()))?;
    let key = keys::as_key(table, &id)?;
    let Field::Object(mut fields) = row else { return Err(keys::corrupt(&id)) };
    let mut number = |name| match fields.remove(name) {
        None | Some(Field::None) => Ok(None),
        Some(Field::Number(Number::Int(number))) => Ok(Some(unsigned(number)?)),
        Some(_) => Err(StoreError::Corrupt(format!("{name} of a row of {} is no number", table.name))),
    };
    let (version, at, format) = (number(VERSION)?.unwrap_or(0), number(AT)?.unwrap_or(0), number(FORMAT)?.unwrap_or(1));
    let stored = match fields.remove(SINGLE) {
        Some(single) => json(single),
        None => {
            fields.remove("id");
            fields.remove(HELD);
            json(Field::Object(fields))
        }
    };
    let format = u32::try_from(format).unwrap_or(u32::MAX);
    if format > table.format {
        return Err(StoreError::Corrupt(format!("a row of {} has the format {format} of a newer version", table.name)));
    }
    let value = Value::decode(&key, format, stored)
        .map_err(|error| StoreError::Corrupt(format!("a row of {}: {error}", table.name)))?;
    Ok((key, Record { value, version: Version(version), at }))
}

/// A field's name within a row: `id` and names that begin with `_` have another meaning there.
fn escaped(name: String) -> String {
    if name == "id" || name.starts_with('_') { format!("{ESCAPE}{name}") } else { name }
}

fn unescaped(name: String) -> String {
    name.strip_prefix(ESCAPE).map_or_else(|| name.clone(), str::to_owned)
}

/// A value in the database's own types.
fn field(json: Json) -> Field {
    match json {
        Json::Null => Field::Null,
        Json::Bool(is) => is.into_value(),
        Json::Number(number) => match number.as_i64() {
            Some(number) => number.into_value(),
            None => number.as_f64().unwrap_or_default().into_value(),
        },
        Json::String(text) => text.into_value(),
        Json::Array(items) => items.into_iter().map(field).collect::<Vec<_>>().into_value(),
        Json::Object(fields) => {
            let mut object = Object::new();
            for (name, value) in fields {
                object.insert(escaped(name), field(value));
            }
            Field::Object(object)
        }
    }
}

/// The same back. Rows of earlier versions have times and links, too.
fn json(field: Field) -> Json {
    match field {
        Field::Bool(is) => is.into(),
        Field::Number(Number::Int(number)) => number.into(),
        Field::Number(Number::Float(number)) => number.into(),
        Field::String(text) => text.into(),
        Field::Datetime(time) => time.into_inner().to_rfc3339_opts(chrono::SecondsFormat::Micros, true).into(),
        Field::Uuid(id) => id.into_inner().to_string().into(),
        Field::Array(items) => items.into_iter().map(json).collect::<Vec<_>>().into(),
        Field::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !matches!(value, Field::None))
            .map(|(name, value)| (unescaped(name), json(value)))
            .collect(),
        _ => Json::Null,
    }
}

/// The records of these keys. A record that cannot be read is logged and left out.
pub(crate) async fn find(engine: &Engine, wanted: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    define(engine, wanted.iter().map(|key| key.table)).await?;
    let ids: Vec<RecordId> = wanted.iter().map(keys::record).collect();
    let rows: Vec<Field> = engine.rows(FIND, bind("ids", ids)).await?;
    let tables: HashMap<&str, &'static Table> = wanted.iter().map(|key| (key.table.name, key.table)).collect();
    let found: HashMap<Key, Record> = rows::readable(rows, |row| record_of(&tables, row)).into_iter().collect();
    Ok(wanted.iter().map(|key| found.get(key).cloned()).collect())
}

/// A row as a record of one of these tables.
pub(crate) fn record_of(tables: &HashMap<&str, &'static Table>, row: Field) -> Result<(Key, Record), StoreError> {
    let table = keys::of_row(&row).and_then(|id| tables.get(id.table.as_str()));
    record(table.ok_or_else(|| StoreError::Corrupt("a row of another table".to_owned()))?, row)
}

/// Parts of tables.
pub(crate) async fn scan(engine: &Engine, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
    define(engine, scans.iter().map(|scan| scan.table)).await?;
    let parts: Vec<Part> = scans.iter().map(Part::of).collect();
    let found: Vec<Vec<Field>> = match <[Part; 1]>::try_from(parts) {
        Ok([one]) => vec![engine.rows(SCAN, bind("scan", one)).await?],
        Err(parts) if parts.is_empty() => Vec::new(),
        Err(parts) => engine.rows(MANY_SCANS, bind("scans", parts)).await?,
    };
    let mut answers = Vec::with_capacity(found.len());
    for (scan, rows) in scans.iter().zip(found) {
        answers.push(filled(engine, scan, rows).await?);
    }
    Ok(answers)
}

/// A row as a record, or as the place of one that cannot be read. A row whose key cannot be read has no place.
fn shown(table: &'static Table, row: Field) -> Result<(Key, Record), StoreError> {
    let id = keys::of_row(&row).cloned();
    record(table, row).or_else(|fault| {
        let id = id.ok_or_else(|| StoreError::Corrupt("a row without an id".to_owned()))?;
        let value = Value::unreadable(table, fault.to_string());
        Ok((keys::as_key(table, &id)?, Record { value, version: Version(0), at: 0 }))
    })
}

/// The records that were found. In the place of those that cannot be read come the next ones, since a scan is shorter than asked
/// for only where the records end.
async fn filled(engine: &Engine, scan: &Scan, mut rows: Vec<Field>) -> Result<Vec<(Key, Record)>, StoreError> {
    let (mut found, mut read, mut wanted) = (Vec::new(), 0_u64, scan.limit);
    loop {
        let count = rows.len() as u64;
        if scan.shows_unreadable {
            for row in rows {
                found.push(shown(scan.table, row)?);
            }
        } else {
            found.extend(rows::readable(rows, |row| record(scan.table, row)));
        }
        let missing = scan.limit.saturating_sub(found.len() as u64);
        if count < wanted || missing == 0 {
            return Ok(found);
        }
        (read, wanted) = (read + count, missing);
        let rest = Scan { skip: scan.skip.saturating_add(read), limit: missing, ..scan.clone() };
        rows = engine.rows(SCAN, bind("scan", Part::of(&rest))).await?;
    }
}

/// The numbers of records under prefixes.
pub(crate) async fn count(engine: &Engine, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
    if prefixes.is_empty() {
        return Ok(Vec::new());
    }
    define(engine, prefixes.iter().map(|prefix| prefix.table)).await?;
    let ranges: Vec<RecordId> = prefixes.iter().map(keys::prefix).collect();
    let counts: Vec<i64> = engine.rows(COUNT, bind("ranges", ranges)).await?;
    counts.into_iter().map(unsigned).collect()
}
