//! From what a driver says to what is to be done: say it again, look what became of it, or give up
//! with an error that users can act upon.

use std::time::Duration;

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use tgs_protocol::{code::Code, store::StoreError};
use tokio::time::{Instant, sleep};

/// Nothing is tried for longer, with the last statement: whoever asks waits for ten seconds, and an
/// owner stands down twelve after it last renewed.
const PATIENCE: Duration = Duration::from_secs(6);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What a failed statement left behind.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing was written, and it may be said again.
    NotDone(ExecutionError),
    /// It may or may not have been written, now or soon.
    Unknown(ExecutionError),
    /// Saying it again would give the same.
    Final(ExecutionError),
}

impl From<ExecutionError> for Trouble {
    fn from(error: ExecutionError) -> Self {
        use ExecutionError as E;
        match &error {
            E::BadQuery(_) | E::PrepareError(_) | E::UseKeyspaceError(_) => Self::Final(error),
            E::EmptyPlan | E::ConnectionPoolError(_) => Self::NotDone(error),
            E::LastAttemptError(RequestAttemptError::DbError(said, _)) => match said {
                // Not Unavailable and Overloaded: Cassandra says them also after a proposal was
                // accepted, when it is to be written.
                DbError::IsBootstrapping | DbError::RateLimitReached { .. } => Self::NotDone(error),
                DbError::SyntaxError
                | DbError::Invalid
                | DbError::ConfigError
                | DbError::AuthenticationError
                | DbError::Unauthorized
                | DbError::ProtocolError => Self::Final(error),
                _ => Self::Unknown(error),
            },
            E::LastAttemptError(
                RequestAttemptError::SerializationError(_)
                | RequestAttemptError::CqlRequestSerialization(_),
            ) => Self::Final(error),
            E::LastAttemptError(RequestAttemptError::UnableToAllocStreamId) => Self::NotDone(error),
            _ => Self::Unknown(error),
        }
    }
}

/// How long one act is tried, with growing pauses.
#[derive(Debug)]
pub(super) struct Patience {
    act: &'static str,
    ends: Instant,
    pause: Duration,
}

impl Patience {
    /// For an act, in words that follow "cannot".
    pub(super) fn of(act: &'static str) -> Self {
        Self { act, ends: Instant::now() + PATIENCE, pause: FIRST_PAUSE }
    }

    /// Waits before the next try; the error once there is none.
    pub(super) async fn after(&mut self, trouble: Trouble) -> Result<(), StoreError> {
        match trouble {
            Trouble::Final(error) => Err(refused(self.act, error)),
            Trouble::NotDone(error) | Trouble::Unknown(error) => {
                if Instant::now() + self.pause > self.ends {
                    return Err(silent(self.act, error));
                }
                self.wait().await;
                Ok(())
            }
        }
    }

    /// Waits because another writer was quicker.
    pub(super) async fn after_another(&mut self) -> Result<(), StoreError> {
        if Instant::now() + self.pause > self.ends {
            let message = format!(
                "{}: other writers were quicker for {} s; try again",
                self.act,
                PATIENCE.as_secs()
            );
            return Err(StoreError::new(Code::StoreSilent, message));
        }
        self.wait().await;
        Ok(())
    }

    async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

fn silent(act: &str, error: ExecutionError) -> StoreError {
    let message = format!(
        "{act}: the database did not do it in {} s; look whether its nodes run and reach each \
         other, then try again",
        PATIENCE.as_secs()
    );
    StoreError::because(Code::StoreSilent, message, error)
}

fn refused(act: &str, error: ExecutionError) -> StoreError {
    let is_about_rights = matches!(
        &error,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::AuthenticationError | DbError::Unauthorized,
            _
        ))
    );
    match is_about_rights {
        true => {
            let message = format!(
                "{act}: the database refuses this user; give it the right to read and write the \
                 keyspace"
            );
            StoreError::because(Code::CannotWrite, message, error)
        }
        false => StoreError::because(
            Code::Internal,
            format!("{act}: the database does not take the statement; report it"),
            error,
        ),
    }
}

/// Something in the database that does not read back.
pub(super) fn damaged(what: &str) -> StoreError {
    let message = format!(
        "read {what}: what the database holds cannot be read; restore it from a backup, or cancel \
         the job and submit it again"
    );
    StoreError::new(Code::StoreCorrupt, message)
}
