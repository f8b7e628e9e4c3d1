//! Tables as numbered files, applied once and in order, by one node at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use scylla::{
    client::session::Session,
    deserialize::row::DeserializeRow,
    errors::{DbError, ExecutionError, RequestAttemptError},
    statement::{Consistency, SerialConsistency, unprepared::Statement},
};
use tgs_protocol::{code::Code, digest::Digest, residency::Residency, store::StoreError};
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
    include_str!("0007-placement.cql"),
];
/// The list of the steps above.
const ALL: &str = "all";
/// Of the name of a keyspace.
const KEYSPACE_BYTES_MAX: usize = 48;
/// A node that died while it made tables holds the lock for so long.
const LOCK_SECONDS: u64 = 60;
const WAIT_MAX: Duration = Duration::from_secs(2 * LOCK_SECONDS);
const LOOK: Duration = Duration::from_millis(200);
/// Until another copy is asked for what one does not answer. A database begins with half of what a
/// read may take (2.5 s in Cassandra 5.0), and misses a node that died only after some seconds
/// more: until then each read that waits for it would be too late for us.
const ASKS_ANOTHER: &str = "speculative_retry = '250ms'";
/// So long nodes of a database may disagree about its tables, from a step's first failure on.
const SETTLES: Duration = Duration::from_secs(60);

/// Refuses a name that would have to be quoted.
pub(super) fn check_keyspace(name: &str) -> Result<(), StoreError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if begins && name.len() <= KEYSPACE_BYTES_MAX && name.bytes().all(is_plain) {
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
    settled(|| make_keyspace(session, contact)).await?;
    settled(|| go_into(session, name)).await?;
    let list_of_steps = "CREATE TABLE IF NOT EXISTS schema_step (list text, no int, holder text, \
                         done boolean, PRIMARY KEY (list, no))";
    let list_of_steps = patient(list_of_steps);
    settled(|| say(session, &list_of_steps)).await?;
    for (at, file) in FILES.iter().enumerate() {
        let no = i32::try_from(at + 1).unwrap_or(i32::MAX);
        let statements = statements(file);
        settled(|| apply(session, (ALL, no), &statements)).await?;
    }
    let newest = settled(|| newest(session)).await?;
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

/// One step, again where the database was silent. Nodes that begin at one time over an empty
/// database make the same things at once, and its own nodes do not agree for a while what is
/// there. All that is said here may be said again.
async fn settled<T, F: Future<Output = Result<T, StoreError>>>(
    step: impl Fn() -> F,
) -> Result<T, StoreError> {
    settled_within(SETTLES, step).await
}

async fn settled_within<T, F: Future<Output = Result<T, StoreError>>>(
    patience: Duration,
    step: impl Fn() -> F,
) -> Result<T, StoreError> {
    // From the first failure: a slow database may take minutes for a step that goes well.
    let mut ends = None;
    loop {
        let error = match step().await {
            Err(error) if error.code == Code::StoreSilent => error,
            other => return other,
        };
        if Instant::now() > *ends.get_or_insert_with(|| Instant::now() + patience) {
            return Err(error);
        }
        tracing::info!(%error, "the tables are looked for again");
        sleep(LOOK).await;
    }
}

async fn go_into(session: &Session, keyspace: &str) -> Result<(), StoreError> {
    let gone_into = session.use_keyspace(keyspace, false).await;
    gone_into.map_err(|error| failed(format!("use keyspace {keyspace}"), error))
}

async fn make_keyspace(session: &Session, contact: &Contact) -> Result<(), StoreError> {
    let name = &contact.keyspace;
    // A user without the right to make one may use one that is there.
    if !replicated_in(session, &name.to_ascii_lowercase()).await?.is_empty() {
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
    create_keyspace(session, name, &copies).await
}

async fn create_keyspace(
    session: &Session,
    name: &str,
    copies: &[(String, u8)],
) -> Result<(), StoreError> {
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

/// Makes the keyspace of what may be in these regions alone, unless it is there; gives its name.
///
/// # Errors
/// `CannotWrite` where a keyspace of this name has copies elsewhere.
pub(super) async fn bring_up_pinned(
    session: &Session,
    contact: &Contact,
    home: &Residency,
) -> Result<String, StoreError> {
    settled(|| bring_up_pinned_once(session, contact, home)).await
}

async fn bring_up_pinned_once(
    session: &Session,
    contact: &Contact,
    home: &Residency,
) -> Result<String, StoreError> {
    let name = pinned_keyspace(&contact.keyspace, home);
    let centres = centres(session);
    if centres.iter().filter(|(centre, _)| home.allows(centre)).count() < home.0.len() {
        let there = Residency(centres.into_iter().map(|(centre, _)| centre).collect());
        let message = format!(
            "keep bytes in {home} alone: the database knows the data centres {there}; look whether \
             all are there"
        );
        return Err(StoreError::new(Code::OutsideRegion, message));
    }
    // What was named may leave out a centre that has bytes pinned to it.
    let there: Vec<_> = centres.into_iter().filter(|(centre, _)| home.allows(centre)).collect();
    let named = |centre: &str| contact.copies.iter().find(|(it, _)| it == centre).cloned();
    let copies = contact::copies(there).into_iter().map(|it| named(&it.0).unwrap_or(it));
    let copies: Vec<_> = copies.collect();
    if replicated_in(session, &name).await?.is_empty() {
        create_keyspace(session, &name, &copies).await?;
    }
    let found = Residency(replicated_in(session, &name).await?);
    if found != *home {
        let message = format!(
            "keep bytes in {home} alone: keyspace {name} has copies in {found}; give it copies in \
             {home} and nowhere else, with {name}.piece as it is in {}",
            contact.keyspace
        );
        return Err(StoreError::new(Code::CannotWrite, message));
    }
    let table = format!(
        "CREATE TABLE IF NOT EXISTS {name}.piece (name text, no int, bytes blob, \
         PRIMARY KEY ((name, no)))"
    );
    apply(session, (&name, 1), &[patient(&table)]).await?;
    Ok(name)
}

/// The data centres that have copies of a keyspace; none if it is not there.
async fn replicated_in(session: &Session, name: &str) -> Result<BTreeSet<String>, StoreError> {
    let text =
        format!("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{name}'");
    let answer = session.query_unpaged(text, ()).await;
    let answer = answer.map_err(|error| failed("look for a keyspace".to_owned(), error))?;
    let rows: Vec<(BTreeMap<String, String>,)> = read(answer)?;
    let all = rows.into_iter().flat_map(|(replication,)| replication.into_keys());
    Ok(all.filter(|key| key != "class").collect())
}

/// The name of the keyspace of what may be in these regions alone.
fn pinned_keyspace(main: &str, home: &Residency) -> String {
    let regions: Vec<&str> = home.0.iter().map(String::as_str).collect();
    let is_plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let name = format!("{}_in_{}", main.to_ascii_lowercase(), regions.join("_"));
    if name.len() <= KEYSPACE_BYTES_MAX && regions.iter().all(|it| it.chars().all(is_plain)) {
        return name;
    }
    // Letters that a name cannot have must not make two of them one.
    let told = Digest::of(regions.join(",").as_bytes()).short();
    let plain = name.chars().map(|it| if is_plain(it) { it } else { '_' });
    let room = KEYSPACE_BYTES_MAX - told.len() - 1;
    format!("{}_{told}", plain.take(room).collect::<String>())
}

/// The data centres that the database has now, with their nodes.
pub(super) fn centres(session: &Session) -> Vec<(String, usize)> {
    let mut centres = BTreeMap::new();
    for node in session.get_cluster_state().get_nodes_info() {
        if let Some(centre) = &node.datacenter {
            *centres.entry(centre.clone()).or_insert(0) += 1;
        }
    }
    centres.into_iter().collect()
}

/// Applies one step of a list unless it is; waits for another node that does.
async fn apply(
    session: &Session,
    (list, no): (&str, i32),
    statements: &[String],
) -> Result<(), StoreError> {
    let ends = Instant::now() + WAIT_MAX;
    let holder = ulid::Ulid::new().to_string();
    loop {
        if is_done(session, (list, no)).await? {
            return Ok(());
        }
        let lock = format!(
            "INSERT INTO schema_step (list, no, holder) VALUES ('{list}', {no}, '{holder}') \
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
    for statement in statements {
        say(session, statement).await?;
    }
    let done = format!(
        "UPDATE schema_step SET done = true, holder = '{holder}' \
         WHERE list = '{list}' AND no = {no} \
         IF holder = '{holder}'"
    );
    match decided(session, &done).await? || is_done(session, (list, no)).await? {
        true => Ok(()),
        // The lock was lost on the way: every statement says IF NOT EXISTS, so whoever has it now
        // ends with the same tables.
        false => Box::pin(apply(session, (list, no), statements)).await,
    }
}

/// The statements of a file, without their comments.
fn statements(file: &str) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text: Vec<&str> = lines.collect();
    let all = text.join("\n");
    all.split(';').map(str::trim).filter(|it| !it.is_empty()).map(patient).collect()
}

/// A table that bears the loss of a node while nobody has noticed it yet.
fn patient(table: &str) -> String {
    let joint = if table.contains(") WITH ") { "AND" } else { "WITH" };
    format!("{table} {joint} {ASKS_ANOTHER}")
}

async fn is_done(session: &Session, (list, no): (&str, i32)) -> Result<bool, StoreError> {
    let text = format!("SELECT done FROM schema_step WHERE list = '{list}' AND no = {no}");
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
    let error = error.into();
    let code = if may_settle(&error) { Code::StoreSilent } else { Code::CannotWrite };
    StoreError::because(code, message, error)
}

/// Whether this is what nodes of a database say that do not know yet what another one has made.
fn may_settle(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(said, text)) => match said {
            DbError::Unauthorized
            | DbError::AuthenticationError
            | DbError::SyntaxError
            | DbError::ConfigError
            | DbError::ProtocolError => false,
            DbError::Invalid => {
                ["exist", "unconfigured", "keyspace"].iter().any(|word| text.contains(word))
            }
            _ => true,
        },
        ExecutionError::BadQuery(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn said(code: Code) -> Result<(), StoreError> {
        Err(StoreError::new(code, "make tables".to_owned()))
    }

    #[tokio::test]
    async fn a_slow_step_is_said_again_after_its_first_failure() {
        let tries = Cell::new(0);
        let slow = || async {
            sleep(PATIENCE * 3 / 2).await;
            tries.update(|it| it + 1);
            if tries.get() == 1 { said(Code::StoreSilent) } else { Ok(()) }
        };
        settled_within(PATIENCE, slow).await.expect("said again");
        assert_eq!(tries.get(), 2);
    }

    #[tokio::test]
    async fn a_silent_database_is_given_up() {
        let began = Instant::now();
        let given_up = settled_within(PATIENCE, || async { said(Code::StoreSilent) }).await;
        assert_eq!(given_up.map_err(|it| it.code), Err(Code::StoreSilent));
        assert!(began.elapsed() >= PATIENCE);
    }

    #[tokio::test]
    async fn what_is_refused_is_not_said_again() {
        let tries = Cell::new(0);
        let refused = || async {
            tries.update(|it| it + 1);
            said(Code::CannotWrite)
        };
        let refused = settled_within(PATIENCE, refused).await;
        assert_eq!(refused.map_err(|it| it.code), Err(Code::CannotWrite));
        assert_eq!(tries.get(), 1);
    }

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
    fn every_home_has_a_keyspace_of_its_own() {
        let name = |home: &str| pinned_keyspace("TGS_1", &home.parse().expect(home));
        assert_eq!(name("eu"), "tgs_1_in_eu");
        assert_eq!(name("us,eu"), "tgs_1_in_eu_us");
        let homes = ["eu-west", "eu_west", "eu.west", "eu,west", "EU,west"];
        let long = ["a", "b"].map(|it| it.repeat(40));
        let all = homes.iter().map(|it| name(it)).chain(long.iter().map(|it| name(it)));
        let all: BTreeSet<_> = all.collect();
        assert_eq!(all.len(), 7, "{all:?}");
        all.iter().for_each(|name| check_keyspace(name).expect(name));
    }

    #[test]
    fn keyspaces_need_no_quotes() {
        for name in ["", "1a", "a-b", "a b", "ä", &"a".repeat(49)] {
            assert!(check_keyspace(name).is_err(), "{name:?}");
        }
        assert!(check_keyspace("tgs_1").is_ok());
    }
}
