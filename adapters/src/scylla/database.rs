//! The connection, and the three ways to say something: decide, see, copy.

use std::{sync::Arc, time::Duration};

use scylla::{
    client::{
        execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder,
    },
    deserialize::row::DeserializeRow,
    errors::PrepareError,
    policies::{
        host_filter::HostFilter, load_balancing::DefaultPolicy, retry::FallthroughRetryPolicy,
    },
    response::{PagingState, PagingStateResponse, query_result::QueryResult},
    serialize::row::SerializeRow,
    statement::prepared::PreparedStatement,
    value::{CqlValue, Row},
};
use tgs_protocol::{code::Code, store::StoreError};

use super::{
    contact::Contact,
    schema,
    statements::Statements,
    trouble::{Patience, Trouble, damaged},
};

/// A statement that takes longer has failed, or its outcome is unknown.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);

/// What a lightweight transaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Decided {
    Applied,
    /// The condition did not hold.
    Refused,
    /// Whoever asked must look.
    Unknown,
}

/// A session on a keyspace.
#[derive(Debug)]
pub(super) struct Database<S = Statements> {
    pub(super) session: Arc<Session>,
    /// What can be said.
    pub(super) say: S,
}

impl Database {
    pub(super) async fn open(contact: &Contact) -> Result<Self, StoreError> {
        schema::check_keyspace(&contact.keyspace)?;
        let session = connected(contact, None).await?;
        schema::bring_up(&session, contact).await?;
        let say = Statements::prepare(&session).await.map_err(unprepared)?;
        Ok(Self::with(Arc::new(session), say))
    }
}

impl<S> Database<S> {
    /// On a session that is open.
    pub(super) const fn with(session: Arc<Session>, say: S) -> Self {
        Self { session, say }
    }

    /// A lightweight transaction. Trouble after which nothing was written is waited out.
    pub(super) async fn decide(
        &self,
        patience: &mut Patience,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Decided, StoreError> {
        loop {
            match self.session.execute_unpaged(statement, &values).await.map_err(Trouble::from) {
                Ok(answer) => return decided(answer),
                Err(trouble @ Trouble::Unknown(_)) => {
                    patience.after(trouble).await?;
                    return Ok(Decided::Unknown);
                }
                Err(trouble) => patience.after(trouble).await?,
            }
        }
    }

    /// The same, said again until it is known whether the condition held: for transactions that do
    /// no harm when their own first sending refuses them. True if one was applied.
    pub(super) async fn decide_surely(
        &self,
        patience: &mut Patience,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<bool, StoreError> {
        loop {
            match self.decide(patience, statement, &values).await? {
                Decided::Applied => return Ok(true),
                Decided::Refused => return Ok(false),
                Decided::Unknown => {}
            }
        }
    }

    /// A plain write that may be made twice.
    pub(super) async fn write(
        &self,
        patience: &mut Patience,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<(), StoreError> {
        loop {
            match self.write_once(statement, &values).await {
                Ok(()) => return Ok(()),
                Err(trouble) => patience.after(trouble).await?,
            }
        }
    }

    /// The same, without patience.
    pub(super) async fn write_once(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<(), Trouble> {
        let written = self.session.execute_unpaged(statement, values).await;
        written.map(|_| ()).map_err(Trouble::from)
    }

    /// The rows that a statement gives. For answers of few rows.
    pub(super) async fn rows<R>(
        &self,
        patience: &mut Patience,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, StoreError>
    where
        R: for<'frame, 'spec> DeserializeRow<'frame, 'spec>,
    {
        loop {
            match self.session.execute_unpaged(statement, &values).await {
                Ok(answer) => return read(answer),
                Err(error) => patience.after(error.into()).await?,
            }
        }
    }

    /// The same, without patience; none where the database does not give any.
    pub(super) async fn rows_once<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Option<Vec<R>>, StoreError>
    where
        R: for<'frame, 'spec> DeserializeRow<'frame, 'spec>,
    {
        let answer = self.session.execute_unpaged(statement, values).await;
        answer.ok().map(read).transpose()
    }

    /// A page of a long answer, and where the next one begins.
    pub(super) async fn page<R>(
        &self,
        patience: &mut Patience,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        begins: PagingState,
    ) -> Result<(Vec<R>, Option<PagingState>), StoreError>
    where
        R: for<'frame, 'spec> DeserializeRow<'frame, 'spec>,
    {
        loop {
            let asked = self.session.execute_single_page(statement, &values, begins.clone());
            match asked.await {
                Ok((answer, PagingStateResponse::HasMorePages { state })) => {
                    return Ok((read(answer)?, Some(state)));
                }
                Ok((answer, PagingStateResponse::NoMorePages)) => return Ok((read(answer)?, None)),
                Err(error) => patience.after(error.into()).await?,
            }
        }
    }
}

/// The rows of an answer.
pub(super) fn read<R>(answer: QueryResult) -> Result<Vec<R>, StoreError>
where
    R: for<'frame, 'spec> DeserializeRow<'frame, 'spec>,
{
    let rows = answer.into_rows_result().map_err(|_| damaged("rows"))?;
    let rows = rows.rows::<R>().map_err(|_| damaged("rows"))?;
    rows.collect::<Result<_, _>>().map_err(|_| damaged("rows"))
}

/// Whether a lightweight transaction was applied.
pub(super) fn decided(answer: QueryResult) -> Result<Decided, StoreError> {
    // One answers with `[applied]` alone, another with all columns of the condition as well: only
    // the first one is read.
    let rows = answer.into_rows_result().map_err(|_| damaged("an answer"))?;
    let row = rows.first_row::<Row>().map_err(|_| damaged("an answer"))?;
    match row.columns.first() {
        Some(Some(CqlValue::Boolean(true))) => Ok(Decided::Applied),
        Some(Some(CqlValue::Boolean(false))) => Ok(Decided::Refused),
        _ => Err(damaged("an answer")),
    }
}

/// Statements cannot be prepared.
pub(super) fn unprepared(error: PrepareError) -> StoreError {
    let message = "prepare statements: the tables are not those of this version; look whether \
                   another program uses the keyspace";
    StoreError::because(Code::StoreCorrupt, message, error)
}

/// A session with the nodes of a database, or with those alone that a filter lets through.
pub(super) async fn connected(
    contact: &Contact,
    within: Option<Arc<dyn HostFilter>>,
) -> Result<Session, StoreError> {
    // What is to be tried again depends on what it was: we decide, not the driver.
    let policy = DefaultPolicy::builder();
    let policy = match &contact.near {
        Some(near) => policy.prefer_datacenter(near.clone()),
        None => policy,
    };
    // Rather a far node than none.
    let policy = policy.permit_dc_failover(true).build();
    let profile = ExecutionProfile::builder()
        .load_balancing_policy(policy)
        .request_timeout(Some(STATEMENT_LIMIT))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&contact.nodes)
        .connection_timeout(CONNECTION_LIMIT)
        .default_execution_profile_handle(profile.into_handle());
    if let Some(within) = within {
        builder = builder.host_filter(within);
    }
    if let Some((user, password)) = &contact.user {
        builder = builder.user(user, password);
    }
    builder.build().await.map_err(|error| {
        let nodes = contact.nodes.join(", ");
        let message = format!(
            "open the database at {nodes}: no node answers there; look whether it runs and whether \
             address, user and password are right"
        );
        StoreError::because(Code::StoreSilent, message, error)
    })
}
