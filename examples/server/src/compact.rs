//! Compacting the database.

use chatcore_surreal::SurrealStore;

use crate::{
    config::{Config, Failure},
    output::Output,
    run,
};

/// Rewrites the files of the database, and says on stdout what that did to their size.
pub(crate) fn compact(config: &Config, told: &[String], stderr: &Output) -> Result<(), Failure> {
    run::log(config, told, stderr)?;
    let options = run::database_options(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sizes = runtime.block_on(async {
        match &config.database {
            Some(database) => Ok::<_, Failure>(SurrealStore::compact(database, &options).await?),
            None => {
                let folder = config.data.join("db");
                if !folder.is_dir() {
                    return Err(format!("there is no database in {}", folder.display()).into());
                }
                Ok(SurrealStore::compact_folder(&folder, &options).await?)
            }
        }
    })?;
    Output::print(&format!("compacted the database from {} to {} bytes", sizes.before, sizes.after));
    Ok(())
}
