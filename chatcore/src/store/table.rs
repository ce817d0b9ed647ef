//! Tables: each is declared once, and typed keys and values are generated from the declaration.

use std::{
    any::{Any, TypeId},
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{Expect, Key, Part, Scan, Write, WriteKind};
use crate::model::Seq;

/// A value in the form of stores other than the in-memory store.
pub type Json = serde_json::Value;

/// The owner of a table's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The session that is the first part of the key. Only changes of that session write the record, so the session's log guards it.
    Session,
    /// No session. Expectations are checked in the same transaction as the write.
    Shared,
}

/// A table of records. A store needs no knowledge of particular tables.
#[derive(Debug)]
pub struct Table {
    /// The name, unique among tables: lowercase letters and `_`.
    pub name: &'static str,
    /// The owner of the table's records.
    pub owner: Owner,
    /// Whether the records decide permissions. Governed records are written only together with a governance event, so a record that was
    /// read at some position is valid until the next governance event after that position.
    pub governed: bool,
    /// The names of the key's parts.
    pub parts: &'static [&'static str],
    /// The version of the format in which values are written.
    pub format: u32,
    /// Encodes a value of this table.
    pub encode: fn(&(dyn Any + Send + Sync)) -> Json,
    /// The type of the table's keys, which no other table has.
    pub key: fn() -> TypeId,
    /// Decodes a value from its format, the parts of its key, and the stored value. A value without a format has format 1.
    pub decode: Decode,
}

/// Decodes a value of a table.
pub type Decode = fn(u32, &[Part], Json) -> Result<Arc<dyn Any + Send + Sync>, String>;

impl Table {
    /// Whether both tables come from one declaration. Different tables with one name would confuse their records.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.key)() == (other.key)()
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Table {}

impl PartialOrd for Table {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Table {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Why a value cannot be read.
struct Fault(String);

/// A value of a table. Within a process the value is shared and never converted.
#[derive(Clone)]
pub struct Value {
    table: &'static Table,
    any: Arc<dyn Any + Send + Sync>,
}

impl Value {
    /// A value of the table of `K`.
    pub fn of<K: TypedKey>(value: K::Value) -> Self {
        Self { table: K::TABLE, any: Arc::new(value) }
    }

    /// The placeholder of an unreadable value, in a [scan with unreadable records](Scan::shows_unreadable). The placeholder has no type,
    /// and is never written.
    #[must_use]
    pub fn unreadable(table: &'static Table, fault: String) -> Self {
        Self { table, any: Arc::new(Fault(fault)) }
    }

    /// The fault of an unreadable value; `None` for a readable value.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.get::<Fault>().map(|Fault(fault)| fault.as_str())
    }

    /// The value as its type; `None` for another type.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.any.downcast_ref()
    }

    /// The value as its type, shared.
    #[must_use]
    pub fn shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.any).downcast().ok()
    }

    /// The stored form of the value, in the table's current [format](Table::format).
    #[must_use]
    pub fn encode(&self) -> Json {
        (self.table.encode)(&*self.any)
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// A description of the fault.
    pub fn decode(key: &Key, format: u32, stored: Json) -> Result<Self, String> {
        let any = (key.table.decode)(format, &key.parts, stored)?;
        Ok(Self { table: key.table, any })
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table && (Arc::ptr_eq(&self.any, &other.any) || self.encode() == other.encode())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.encode())
    }
}

/// The change that wrote a record last. The only operation on versions is a comparison. 0 stands for a record without a stored version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Version(pub u64);

impl Version {
    /// A version that no other change has.
    #[must_use]
    pub fn new() -> Self {
        // The low 62 bits are random. The two above would not fit the signed numbers of databases.
        Self(u64::try_from(uuid::Uuid::now_v7().as_u128() & (u128::MAX >> 66)).unwrap_or_default().max(1))
    }
}

/// A record that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The value.
    pub value: Value,
    /// The change that wrote the record.
    pub version: Version,
    /// The position of the first event of the change that wrote the record; 0 for a change without an event.
    pub at: Seq,
}

/// A record as the type of its table.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    /// The value.
    pub value: Arc<T>,
    /// As [`Record::version`].
    pub version: Version,
    /// As [`Record::at`].
    pub at: Seq,
}

impl Record {
    /// The record as the type of its table; `None` for another type.
    #[must_use]
    pub fn typed<T: Send + Sync + 'static>(&self) -> Option<Found<T>> {
        Some(Found { value: self.value.shared()?, version: self.version, at: self.at })
    }
}

/// A type of values in tables. The stored form is separate from the type, so that each can change alone.
pub trait StoredValue: Send + Sync + Sized + 'static {
    /// The stored form: an object, or a number for a counter.
    fn encode(&self) -> Json;

    /// The value from a stored form of any version of the format up to the current one.
    ///
    /// # Errors
    /// A description of the fault.
    fn decode(format: u32, key: &[Part], stored: Json) -> Result<Self, String>;
}

/// The typed key of a table.
pub trait TypedKey: Clone + Send + Sync + Sized + 'static {
    /// The type of the table's values.
    type Value: StoredValue;

    /// The table.
    const TABLE: &'static Table;

    /// The parts of the key.
    fn parts(&self) -> Vec<Part>;

    /// The key with these parts; `None` where a part is of another kind.
    fn from_parts(parts: &[Part]) -> Option<Self>;

    /// The key without its type.
    fn key(&self) -> Key {
        Key { table: Self::TABLE, parts: self.parts() }
    }

    /// Writes a value, without an expectation.
    fn put(&self, value: Self::Value) -> Write {
        Write { key: self.key(), expect: Expect::Anything, kind: WriteKind::Put(Value::of::<Self>(value)) }
    }

    /// Removes the record, without an expectation.
    fn remove(&self) -> Write {
        Write { key: self.key(), expect: Expect::Anything, kind: WriteKind::Remove }
    }

    /// Keeps the record, and fails for a record of another version. A hold and a write of one record in concurrent changes exclude each
    /// other.
    fn hold(&self, version: Version) -> Write {
        Write { key: self.key(), expect: Expect::Version(version), kind: WriteKind::Hold }
    }

    /// Every record whose key begins with these parts.
    fn under(prefix: Vec<Part>) -> Scan {
        Scan { table: Self::TABLE, prefix, after: None, skip: 0, limit: u64::MAX, shows_unreadable: false }
    }
}

#[doc(hidden)]
pub fn encode_as<T: StoredValue>(any: &(dyn Any + Send + Sync)) -> Json {
    // A value is made of the type of its table only.
    any.downcast_ref::<T>().map_or(Json::Null, StoredValue::encode)
}

#[doc(hidden)]
pub fn decode_as<T: StoredValue>(
    format: u32,
    key: &[Part],
    stored: Json,
) -> Result<Arc<dyn Any + Send + Sync>, String> {
    Ok(Arc::new(T::decode(format, key, stored)?))
}

/// Declares tables: the owner, whether the table is governed, its key, its values, and the version of their format.
///
/// A host can declare tables of its own in the same way. A table's records are read with [`ChatStoreExt`](super::ChatStoreExt).
#[macro_export]
macro_rules! tables {
    ($($(#[$meta:meta])* $owner:ident $kind:ident $table:ident = $name:literal [$($(#[$part_meta:meta])* $part:ident: $part_type:ty),+ $(,)?] -> $value:ty = $format:literal;)+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Eq, Hash)]
            pub struct $table {
                $($(#[$part_meta])* pub $part: $part_type,)+
            }

            impl $crate::store::TypedKey for $table {
                type Value = $value;

                const TABLE: &'static $crate::store::Table = &$crate::store::Table {
                    name: $name,
                    owner: $crate::tables!(@owner $owner),
                    governed: $crate::tables!(@kind $kind),
                    parts: &[$(stringify!($part)),+],
                    format: $format,
                    key: ::std::any::TypeId::of::<$table>,
                    encode: $crate::store::encode_as::<$value>,
                    decode: $crate::store::decode_as::<$value>,
                };

                fn parts(&self) -> Vec<$crate::store::Part> {
                    vec![$($crate::store::KeyPart::part(&self.$part)),+]
                }

                fn from_parts(parts: &[$crate::store::Part]) -> Option<Self> {
                    let mut parts = parts.iter();
                    let key = Self { $($part: $crate::store::KeyPart::from_part(parts.next()?)?),+ };
                    parts.next().is_none().then_some(key)
                }
            }
        )+

        /// The tables of this list.
        pub const TABLES: &[&$crate::store::Table] = &[$(<$table as $crate::store::TypedKey>::TABLE),+];
    };
    (@owner session) => { $crate::store::Owner::Session };
    (@owner shared) => { $crate::store::Owner::Shared };
    (@kind governed) => { true };
    (@kind plain) => { false };
}
