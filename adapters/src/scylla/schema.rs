//! Tables as numbered files, applied once and in order, by one node at a time.

use std::{collections::BTreeMap, time::Duration};

use scylla::{
    client::session::Session,
    deserialize::row::DeserializeRow,
    errors::{DbError, ExecutionError, RequestAttemptError},
    statement::{Consistency, SerialConsistency, unprepared::Statement},
};
use tgs_protocol::{code::Code, store::StoreError};
use tokio::time::{Instant, sleep};

use super::{
    contact::{self, Contact},
    database::{self, Decided, read},
};

/// The files, oldest first. One that was released is never changed.
const FILES: &[&str] = &[
    include_str!("0001-jobs.cql"),
    include_str!("0002-bytes.cql"),
    include_str!("0003-datasets.cql"),
    include_str!("0004-notices.cql"),
    include_str!("0005-nodes.cql"),
    include_str!("0006-line.cql"),
];
/// A node that died while it made tables holds the lock for so long.
const LOCK_SECONDS: u64 = 60;
const WAIT_MAX: Duration = Duration::from_secs(2 * LOCK_SECONDS);
const LOOK: Duration = Duration::from_millis(200);

/// Refuses a name that would have to be quoted.
pub(super) fn check_keyspace(name: &str) -> Result<(), StoreError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if begins && name.len() <= 48 && name.bytes().all(is_plain) {
        return Ok(());
    }
    let message = format!(
        "open keyspace {name:?}: its name must have a letter and up to 47 letters, digits or _"
    );
    Err(StoreError::new(Code::BadRequest, message))
}

/// Makes the keyspace and whatever tables are not there, and goes into it.
pub(super) async fn bring_up(session: &Session, contact: &Contact) -> Result<(), StoreError> {
    let name = &contact.keyspace;
    make_keyspace(session, contact).await?;
    session
        .use_keyspace(name, false)
        .await
        .map_err(|error| failed(format!("use keyspace {name}"), error))?;
    say(
        session,
        "CREATE TABLE IF NOT EXISTS schema_step (list text, no int, holder text, \
        done boolean, PRIMARY KEY (list, no))",
    )
    .await?;
    for (at, file) in FILES.iter().enumerate() {
        let no = i32::try_from(at + 1).unwrap_or(i32::MAX);
        apply(session, no, file).await?;
    }
    let newest = newest(session).await?;
    let known = i32::try_from(FILES.len()).unwrap_or(i32::MAX);
    if newest > known {
        let message = format!(
            "open keyspace {name}: its tables are of version {newest}, this program knows up to \
             {known}; use the newer program"
        );
        return Err(StoreError::new(Code::StoreTooNew, message));
    }
    Ok(())
}

async fn make_keyspace(session: &Session, contact: &Contact) -> Result<(), StoreError> {
    let name = &contact.keyspace;
    // A user without the right to make one may use one that is there.
    let known = format!(
        "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{}'",
        name.to_ascii_lowercase()
    );
    let known = session.query_unpaged(known, ()).await;
    let known = known.map_err(|error| failed("look for the keyspace".to_owned(), error))?;
    if known.into_rows_result().is_ok_and(|rows| rows.rows_num() > 0) {
        return Ok(());
    }
    let copies = match contact.copies.is_empty() {
        false => contact.copies.clone(),
        true => contact::copies(centres(session)),
    };
    if copies.iter().all(|(_, copies)| *copies == 0) {
        let message = format!("make keyspace {name}: no data centre has a copy; name one");
        return Err(StoreError::new(Code::BadRequest, message));
    }
    let copies: String = copies
        .iter()
        .map(|(centre, copies)| format!(", '{}': {copies}", centre.replace('\'', "''")))
        .collect();
    let text = format!(
        "CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = \
         {{'class': 'NetworkTopologyStrategy'{copies}}}"
    );
    // Lightweight transactions do not go with tablets; a database that knows none refuses the word.
    let without = format!("{text} AND tablets = {{'enabled': false}}");
    match session.query_unpaged(without, ()).await {
        Ok(_) => Ok(()),
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::SyntaxError | DbError::Invalid | DbError::ConfigError,
            _,
        ))) => say(session, &text).await,
        Err(error) => Err(failed(format!("make keyspace {name}"), error)),
    }
}

/// The data centres that the database has now, with their nodes.
fn centres(session: &Session) -> Vec<(String, usize)> {
    let mut centres = BTreeMap::new();
    for node in session.get_cluster_state().get_nodes_info() {
        if let Some(centre) = &node.datacenter {
            *centres.entry(centre.clone()).or_insert(0) += 1;
        }
    }
    centres.into_iter().collect()
}

/// Applies one file unless it is; waits for another node that does.
async fn apply(session: &Session, no: i32, file: &str) -> Result<(), StoreError> {
    let ends = Instant::now() + WAIT_MAX;
    let holder = ulid::Ulid::new().to_string();
    loop {
        if is_done(session, no).await? {
            return Ok(());
        }
        let lock = format!(
            "INSERT INTO schema_step (list, no, holder) VALUES ('all', {no}, '{holder}') \
             IF NOT EXISTS USING TTL {LOCK_SECONDS}"
        );
        if decided(session, &lock).await? {
            break;
        }
        if Instant::now() > ends {
            let message = format!(
                "make tables of version {no}: another node has begun and does \
                                   not end; try again"
            );
            return Err(StoreError::new(Code::StoreSilent, message));
        }
        sleep(LOOK).await;
    }
    for statement in statements(file) {
        say(session, &statement).await?;
    }
    let done = format!(
        "UPDATE schema_step SET done = true, holder = '{holder}' WHERE list = 'all' AND no = {no} \
         IF holder = '{holder}'"
    );
    match decided(session, &done).await? || is_done(session, no).await? {
        true => Ok(()),
        // The lock was lost on the way: every statement says IF NOT EXISTS, so whoever has it now
        // ends with the same tables.
        false => Box::pin(apply(session, no, file)).await,
    }
}

/// The statements of a file, without their comments.
fn statements(file: &str) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text: Vec<&str> = lines.collect();
    let all = text.join("\n");
    all.split(';').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

async fn is_done(session: &Session, no: i32) -> Result<bool, StoreError> {
    let text = format!("SELECT done FROM schema_step WHERE list = 'all' AND no = {no}");
    let rows: Vec<(Option<bool>,)> = seen(session, &text).await?;
    Ok(rows.contains(&(Some(true),)))
}

async fn newest(session: &Session) -> Result<i32, StoreError> {
    let text = "SELECT no FROM schema_step WHERE list = 'all'";
    let rows: Vec<(i32,)> = seen(session, text).await?;
    Ok(rows.into_iter().map(|(no,)| no).max().unwrap_or(0))
}

async fn seen<R>(session: &Session, text: &str) -> Result<Vec<R>, StoreError>
where
    R: for<'frame, 'spec> DeserializeRow<'frame, 'spec>,
{
    let mut statement = Statement::new(text);
    statement.set_consistency(Consistency::Serial);
    let answer = session.query_unpaged(statement, ()).await;
    read(answer.map_err(|error| failed("look at the tables".to_owned(), error))?)
}

/// Whether a lightweight transaction was applied. One of unknown outcome was not, for all that is
/// known: whoever asks looks again.
async fn decided(session: &Session, text: &str) -> Result<bool, StoreError> {
    let mut statement = Statement::new(text);
    statement.set_consistency(Consistency::Quorum);
    statement.set_serial_consistency(Some(SerialConsistency::Serial));
    let answer = session.query_unpaged(statement, ()).await;
    let answer = answer.map_err(|error| failed("make tables".to_owned(), error))?;
    Ok(database::decided(answer)? == Decided::Applied)
}

async fn say(session: &Session, text: &str) -> Result<(), StoreError> {
    let said = session.query_unpaged(text, ()).await;
    said.map(|_| ()).map_err(|error| failed("make tables".to_owned(), error))
}

fn failed(act: String, error: impl Into<ExecutionError>) -> StoreError {
    let message = format!(
        "{act}: the database refuses or does not answer; give its user the right to make tables, \
         and look whether its nodes run"
    );
    StoreError::because(Code::CannotWrite, message, error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_fall_apart_into_statements() {
        for file in FILES {
            let all = statements(file);
            assert!(!all.is_empty());
            for statement in all {
                assert!(statement.contains("IF NOT EXISTS"), "{statement}");
                assert!(!statement.contains("--"), "{statement}");
            }
        }
    }

    #[test]
    fn keyspaces_need_no_quotes() {
        for name in ["", "1a", "a-b", "a b", "ä", &"a".repeat(49)] {
            assert!(check_keyspace(name).is_err(), "{name:?}");
        }
        assert!(check_keyspace("tgs_1").is_ok());
    }
}
