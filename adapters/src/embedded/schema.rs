//! Which shape the tables have, and how an older shape becomes the present one.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use tgs_protocol::{code::Code, id::JobId, store::StoreError};

use crate::{
    embedded::{
        job::{decode_row, place},
        ledger::{
            CHUNKS, DATASETS, DELIVERIES, DELIVERIES_OPEN, EVENTS, EVENTS_OF, JOBS, KEYS, LEASES,
            PLACES, SUBSCRIPTIONS, UPLOADS,
        },
        trouble::Trouble,
    },
    fault,
};

/// The shape this version writes. Raise it with every change that an older version would misread,
/// and add the step to [`MIGRATIONS`].
pub const SCHEMA_VERSION: u64 = 3;

/// Numbers that the store keeps of itself.
pub const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const VERSION_KEY: &str = "schema_version";
/// Under which [`META`] keeps the number of the newest event.
pub const NEWEST_EVENT_KEY: &str = "newest_event";

/// Under which [`META`] keeps the number of the newest event whose notice was read.
pub const READ_MARK_KEY: &str = "notices_read";

/// One step from a shape to the next.
type Migration = fn(&WriteTransaction) -> Result<(), Trouble>;

/// `MIGRATIONS[v - 1]` turns shape `v` into shape `v + 1`.
const MIGRATIONS: &[Migration] = &[list_jobs, make_notifications];
const _: () = assert!(MIGRATIONS.len() as u64 + 1 == SCHEMA_VERSION);

/// All tables, empty, in the present shape.
pub fn create(transaction: &WriteTransaction) -> Result<(), Trouble> {
    transaction.open_table(JOBS)?;
    transaction.open_table(LEASES)?;
    transaction.open_table(CHUNKS)?;
    make_lists(transaction)?;
    make_notifications(transaction)?;
    transaction.open_table(META)?.insert(VERSION_KEY, SCHEMA_VERSION)?;
    Ok(())
}

fn make_lists(transaction: &WriteTransaction) -> Result<(), Trouble> {
    transaction.open_table(PLACES)?;
    transaction.open_table(KEYS)?;
    transaction.open_table(EVENTS)?;
    transaction.open_table(EVENTS_OF)?;
    transaction.open_table(UPLOADS)?;
    transaction.open_table(DATASETS)?;
    Ok(())
}

/// From 2 to 3: there are subscriptions and their deliveries.
fn make_notifications(transaction: &WriteTransaction) -> Result<(), Trouble> {
    transaction.open_table(SUBSCRIPTIONS)?;
    transaction.open_table(DELIVERIES)?;
    transaction.open_table(DELIVERIES_OPEN)?;
    Ok(())
}

/// From 1 to 2: jobs are listed and tell events. What happened before is in their timelines.
fn list_jobs(transaction: &WriteTransaction) -> Result<(), Trouble> {
    make_lists(transaction)?;
    for entry in transaction.open_table(JOBS)?.iter()? {
        let (name, bytes) = entry?;
        let row = decode_row(bytes.value(), &JobId::new(name.value()))?;
        place(transaction, None, &row)?;
    }
    Ok(())
}

/// Migrates an older store in one transaction; refuses a newer one.
pub fn bring_up_to_date(database: &Database, path: &Path) -> Result<(), Trouble> {
    let found = version_of(database, path)?;
    if found > SCHEMA_VERSION {
        let message = format!(
            "open {}: it has schema {found}, this version knows {SCHEMA_VERSION}; \
             use the newer version of tgs that wrote it",
            path.display()
        );
        return Err(StoreError::new(Code::StoreTooNew, message).into());
    }
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    for (migrate, from) in MIGRATIONS.iter().zip(1..) {
        if from >= found {
            migrate(&transaction)?;
        }
    }
    transaction.open_table(META)?.insert(VERSION_KEY, SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn version_of(database: &Database, path: &Path) -> Result<u64, Trouble> {
    let version = database.begin_read()?.open_table(META)?.get(VERSION_KEY)?;
    match version.map(|version| version.value()) {
        Some(version) if version > 0 => Ok(version),
        _ => {
            let what = "it does not say which schema it has";
            Err(fault::damaged(Code::StoreCorrupt, what, path).into())
        }
    }
}
