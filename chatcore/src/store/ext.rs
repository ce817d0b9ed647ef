//! Typed reads of records, for every store.

use async_trait::async_trait;

use super::{ChatStore, Found, Key, Record, Scan, StoreError, TypedKey};

/// Typed reads of records. Every [`ChatStore`] has these methods.
#[async_trait]
pub trait ChatStoreExt {
    /// The record of a key.
    ///
    /// # Errors
    /// As [`ChatStore::records`].
    async fn get<K: TypedKey>(&self, key: &K) -> Result<Option<Found<K::Value>>, StoreError>;

    /// The records of keys, in the same order.
    ///
    /// # Errors
    /// As [`ChatStore::records`].
    async fn get_all<K: TypedKey>(&self, keys: &[K]) -> Result<Vec<Option<Found<K::Value>>>, StoreError>;

    /// The records of a scan of the key's table. A key of another shape is left out.
    ///
    /// # Errors
    /// As [`ChatStore::scan`].
    async fn list<K: TypedKey>(&self, scan: Scan) -> Result<Vec<(K, Found<K::Value>)>, StoreError>;
}

/// A record as the type of its table.
pub(crate) fn typed<T: Send + Sync + 'static>(record: Option<Record>) -> Result<Option<Found<T>>, StoreError> {
    let wrong = || StoreError::Corrupt("a record of another table".to_owned());
    record.map(|record| record.typed().ok_or_else(wrong)).transpose()
}

#[async_trait]
impl<S: ChatStore + ?Sized> ChatStoreExt for S {
    async fn get<K: TypedKey>(&self, key: &K) -> Result<Option<Found<K::Value>>, StoreError> {
        typed(self.records(&[key.key()]).await?.pop().flatten())
    }

    async fn get_all<K: TypedKey>(&self, keys: &[K]) -> Result<Vec<Option<Found<K::Value>>>, StoreError> {
        let keys: Vec<Key> = keys.iter().map(TypedKey::key).collect();
        self.records(&keys).await?.into_iter().map(typed).collect()
    }

    async fn list<K: TypedKey>(&self, scan: Scan) -> Result<Vec<(K, Found<K::Value>)>, StoreError> {
        let found = self.scan(&[scan]).await?.pop().unwrap_or_default();
        Ok(found.into_iter().filter_map(|(key, record)| Some((K::from_parts(&key.parts)?, record.typed()?))).collect())
    }
}
