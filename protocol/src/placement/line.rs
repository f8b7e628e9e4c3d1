//! Whose turn is next: between tenants by their shares, within a tenant by the turns of its jobs.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    num::NonZeroU32,
};

use crate::id::JobId;

/// Tenants that have a job to be looked at, in the order of their claims.
#[derive(Debug, Default)]
pub(super) struct Line<'a>(BinaryHeap<Reverse<Next<'a>>>);

/// The next job of a tenant.
#[derive(Debug)]
pub(super) struct Next<'a> {
    /// Devices that the tenant has.
    pub used: u64,
    /// What it is entitled to.
    pub weight: NonZeroU32,
    pub place: Place<'a>,
    /// Its number.
    pub job: usize,
}

/// The place of a job among all: of two that came at one time, the smaller name is first.
pub(super) type Place<'a> = (i128, &'a JobId);

impl<'a> Line<'a> {
    /// A tenant comes with its next job.
    pub(super) fn join(&mut self, next: Next<'a>) {
        self.0.push(Reverse(next));
    }

    /// The job of the tenant that has least for its weight; among equals the earliest turn.
    pub(super) fn next(&mut self) -> Option<Next<'a>> {
        self.0.pop().map(|Reverse(next)| next)
    }
}

/// Earlier is smaller. Shares are compared as fractions, by multiplying crosswise.
impl Ord for Next<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let crosswise = |used: u64, weight: NonZeroU32| u128::from(used) * u128::from(weight.get());
        let mine = crosswise(self.used, other.weight);
        let theirs = crosswise(other.used, self.weight);
        mine.cmp(&theirs).then_with(|| self.place.cmp(&other.place))
    }
}

impl PartialOrd for Next<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Next<'_> {}
