//! Group commit (DeWitt et al., 1984): a sync costs the same for one small write and for a hundred.
//!
//! Whoever comes puts its write in line and waits for the pen. Who gets the pen and finds its write
//! still in line makes the whole line durable, in order, in one transaction. Nobody waits for
//! company: a write that is alone is written alone.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::WriteTransaction;
use tgs_protocol::store::StoreError;

use super::{Commit, Ledger};
use crate::{embedded::trouble::Trouble, fault};

/// Writes that wait for a common commit.
#[derive(Default)]
pub struct Group {
    line: Mutex<Vec<Arc<dyn InLine>>>,
    pen: Mutex<()>,
}

/// One write, whatever it gives.
trait InLine: Send + Sync {
    /// Writes, and tells whether there is anything to commit.
    fn act(&self, transaction: &WriteTransaction) -> Result<bool, Trouble>;
    /// The transaction that it was written in is durable.
    fn is_durable(&self);
    /// By itself, because something in its group failed.
    fn alone(&self, ledger: &Ledger);
}

struct Write<T, F> {
    act: F,
    done: Mutex<Done<T>>,
}

enum Done<T> {
    Not,
    /// In a transaction that is not durable yet.
    Written(T),
    Told(Result<T, StoreError>),
}

impl Group {
    /// Writes, together with whatever waits.
    pub fn write<T: Send + 'static>(
        &self,
        ledger: &Ledger,
        act: impl Fn(&WriteTransaction) -> Result<Commit<T>, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let write = Arc::new(Write { act: Mutex::new(act), done: Mutex::new(Done::Not) });
        lock(&self.line).push(write.clone());
        let pen = lock(&self.pen);
        if !write.is_told() {
            self.write_line(ledger);
        }
        drop(pen);
        write.told()
    }

    /// Everything that is in line now, under the pen.
    fn write_line(&self, ledger: &Ledger) {
        let line = mem::take(&mut *lock(&self.line));
        let written = ledger.write(|transaction| {
            let mut has_any = false;
            for write in &line {
                has_any |= write.act(transaction)?;
            }
            Ok(if has_any { Commit::Keep(()) } else { Commit::Leave(()) })
        });
        match written {
            Ok(()) => line.iter().for_each(|write| write.is_durable()),
            // One that fails must not fail the others, and each is told of its own trouble.
            Err(_) => line.iter().for_each(|write| write.alone(ledger)),
        }
    }
}

impl<T, F> Write<T, F> {
    fn is_told(&self) -> bool {
        matches!(*lock(&self.done), Done::Told(_))
    }

    fn told(&self) -> Result<T, StoreError> {
        match mem::replace(&mut *lock(&self.done), Done::Not) {
            Done::Told(told) => told,
            Done::Not | Done::Written(_) => {
                Err(fault::internal("a write was taken in line and never written"))
            }
        }
    }
}

impl<T, F> InLine for Write<T, Mutex<F>>
where
    T: Send,
    F: Fn(&WriteTransaction) -> Result<Commit<T>, Trouble> + Send,
{
    fn act(&self, transaction: &WriteTransaction) -> Result<bool, Trouble> {
        let (keep, written) = match lock(&self.act)(transaction)? {
            Commit::Keep(written) => (true, written),
            Commit::Leave(written) => (false, written),
        };
        *lock(&self.done) = Done::Written(written);
        Ok(keep)
    }

    fn is_durable(&self) {
        let mut done = lock(&self.done);
        *done = match mem::replace(&mut *done, Done::Not) {
            Done::Written(written) => Done::Told(Ok(written)),
            other => other,
        };
    }

    fn alone(&self, ledger: &Ledger) {
        let told = ledger.write(|transaction| lock(&self.act)(transaction));
        *lock(&self.done) = Done::Told(told);
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in line", lock(&self.line).len())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
