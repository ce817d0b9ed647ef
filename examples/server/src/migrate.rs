//! Bringing the database to the schema of this program, or telling what that would do.

use chatcore_surreal::{SurrealStore, Upgrade, UpgradeStep};

use crate::{
    config::{Config, Failure},
    logging::Export,
    output::Output,
    run,
};

/// Migrates the database. With `is_dry`, changes nothing and says on stdout what a migration would change.
pub(crate) fn migrate(config: &Config, is_dry: bool, told: &[String], stderr: &Output) -> Result<(), Failure> {
    run::log(config, told, stderr, &Export::default())?;
    let options = run::database_options(config)?;
    let folder = config.data.join("db");
    if config.database.is_none() && !folder.is_dir() {
        return Err(format!("there is no database in {}; the first start makes one", folder.display()).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let text = runtime.block_on(async {
        if is_dry {
            let upgrade = match &config.database {
                Some(database) => SurrealStore::upgrade(database, &options).await?,
                None => SurrealStore::upgrade_of_folder(&folder, &options).await?,
            };
            return Ok::<_, Failure>(plan(&upgrade));
        }
        let store = run::open(config, options).await?;
        let (found, now) = (store.upgraded_from(), SurrealStore::SCHEMA);
        store.close().await;
        Ok(if found == now {
            format!("the database has schema version {now} already: nothing was to do")
        } else {
            format!("migrated the database from schema version {found} to {now}")
        })
    })?;
    Output::print(&text);
    Ok(())
}

/// What an upgrade does, for the operator.
fn plan(upgrade: &Upgrade) -> String {
    let Upgrade { found, known, steps, .. } = upgrade;
    if steps.is_empty() {
        return format!(
            "the database has schema version {found}, as this program has: nothing to do\n\
            Servers of the version that made it can run beside this one, and be replaced one after the other."
        );
    }
    let mut lines = vec![format!("the database has schema version {found}, and this program brings it to {known}:")];
    lines.extend(steps.iter().map(step));
    lines.push(if *found == 0 {
        "There is nothing in the database yet.".to_owned()
    } else if steps.iter().all(|step| step.is_additive) {
        "Servers of the old version that run can go on meanwhile. They cannot be started again afterwards.".to_owned()
    } else {
        "Stop every server of the old version first. Take a backup: there is no way back but the backup.".to_owned()
    });
    lines.push("Nothing was changed. `chat-server migrate` does it, and so does a start of the server.".to_owned());
    lines.join("\n")
}

fn step(step: &UpgradeStep) -> String {
    let UpgradeStep { version, changes, is_additive, rows, .. } = step;
    let rows: Vec<String> = rows.iter().map(|(table, count)| format!("{count} rows of {table}")).collect();
    let touched = if rows.is_empty() { "definitions only".to_owned() } else { format!("about {}", rows.join(" and ")) };
    let others = if *is_additive { "can go on" } else { "must be stopped" };
    format!("- version {version} {changes} (touches {touched}; older servers {others})")
}
