//! The list of jobs, and the line of those that have not ended: copies, in order, that are as new
//! as the last row that was told of.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use scylla::response::PagingState;
use tgs_protocol::{
    id::JobId,
    job::{
        JobRow,
        listing::{Listing, Page, Place, StateClass},
    },
    queue::Turn,
    residency::Ground,
    store::StoreError,
    unit::Timestamp,
};

use super::{
    Scylla,
    job::decode_row,
    lease::{natural, whole},
    trouble::Patience,
};
use crate::fault;

/// Rows that are read at the same time.
const AT_ONCE: usize = 32;

/// A place as its columns hold it.
type Columns = (i64, String, String);

impl Scylla {
    /// Enters a row in the list and in the line, unless a later version of it is there.
    pub(super) async fn put_place(
        &self,
        patience: &mut Patience,
        row: &JobRow,
        version: i64,
    ) -> Result<(), StoreError> {
        let (at, class) = (whole(row.accepted_at.0), StateClass::of(&row.state).as_str());
        let say = &self.database().say.put_place;
        self.database().write(patience, say, (at, row.id.as_str(), class, version)).await?;
        self.put_in_line(patience, row, Some(StateClass::of(&row.state)), version).await
    }

    /// Takes a row out of the list and the line, as every version before this one entered it.
    pub(super) async fn drop_place(
        &self,
        patience: &mut Patience,
        row: &JobRow,
        version: i64,
    ) -> Result<(), StoreError> {
        let values = (version, whole(row.accepted_at.0), row.id.as_str());
        self.database().write(patience, &self.database().say.drop_place, values).await?;
        self.put_in_line(patience, row, None, version).await
    }

    /// Has a row stand in the part of the line that is of its class, and in no other.
    async fn put_in_line(
        &self,
        patience: &mut Patience,
        row: &JobRow,
        is: Option<StateClass>,
        version: i64,
    ) -> Result<(), StoreError> {
        let (database, say) = (self.database(), &self.database().say);
        let (rank, job) = (rank_of(row), row.id.as_str());
        for class in StateClass::ALL.into_iter().filter(|class| !class.is_final()) {
            let name = class.as_str();
            if is == Some(class) {
                let values = (name, rank, job, version);
                database.write(patience, &say.put_in_line, values).await?;
            } else {
                let values = (version, name, rank, job);
                database.write(patience, &say.drop_from_line, values).await?;
            }
        }
        Ok(())
    }

    /// The first in line, without those that are named.
    pub(super) async fn in_line(
        &self,
        class: StateClass,
        ground: Option<&Ground>,
        but: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let mut patience = Patience::of("look who is first in line");
        let may_be_there = |row: &JobRow| ground.is_none_or(|ground| row.may_be_on(ground));
        let (mut first, mut begins) = (Vec::new(), Some(PagingState::start()));
        while let Some(state) = begins {
            let mut jobs;
            (jobs, begins) = self.page_of_line(&mut patience, class, state).await?;
            jobs.retain(|job| !but.contains(job));
            for some in jobs.chunks(limit.clamp(1, AT_ONCE)) {
                let (rows, _) = self.rows_of(class, some).await?;
                first.extend(rows.into_iter().filter(&may_be_there));
                if first.len() >= limit {
                    first.truncate(limit);
                    return Ok(first);
                }
            }
        }
        Ok(first)
    }

    /// Rows of some that were entered in the line of a class, without those that have left it; and
    /// the names of those that only a newer version understands.
    async fn rows_of(
        &self,
        class: StateClass,
        jobs: &[JobId],
    ) -> Result<(Vec<JobRow>, Vec<JobId>), StoreError> {
        let (mut rows, mut unread) = (Vec::new(), Vec::new());
        for (job, read) in jobs.iter().zip(self.bodies_of(jobs).await) {
            match self.passed_over().unless_newer(job.as_str(), read)? {
                None => unread.push(job.clone()),
                Some(Some(row)) if StateClass::of(&row.state) == class => rows.push(row),
                // It has changed since it was entered, or nobody told of its change.
                Some(Some(row)) => self.tell_or_leave(&row.id, None).await,
                Some(None) => {}
            }
        }
        Ok((rows, unread))
    }

    /// The names of the first in line, and the rows of those that are not known and can be read.
    pub(super) async fn line_but(
        &self,
        class: StateClass,
        known: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<(Vec<JobId>, Vec<JobRow>), StoreError> {
        let mut patience = Patience::of("look who is in line");
        let (mut names, mut rows, mut unread) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut begins = Some(PagingState::start());
        while let Some(state) = begins.filter(|_| names.len() < limit) {
            let mut jobs;
            (jobs, begins) = self.page_of_line(&mut patience, class, state).await?;
            jobs.truncate(limit - names.len());
            let others: Vec<_> = jobs.iter().filter(|job| !known.contains(*job)).cloned().collect();
            for some in others.chunks(AT_ONCE) {
                let (some, newer) = self.rows_of(class, some).await?;
                rows.extend(some);
                unread.extend(newer);
            }
            names.extend(jobs);
        }
        let is_there: BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
        let stays =
            |job: &JobId| known.contains(job) || is_there.contains(job) || unread.contains(job);
        names.retain(stays);
        Ok((names, rows))
    }

    pub(super) async fn page_of(&self, listing: &Listing) -> Result<Page, StoreError> {
        let limit = listing.limit.max(1);
        let mut patience = Patience::of("list jobs");
        let (mut rows, mut begins) = (Vec::new(), Some(PagingState::start()));
        while let Some(state) = begins {
            let places;
            (places, begins) = self.places(&mut patience, listing.after.as_ref(), state).await?;
            let mut wanted = Vec::new();
            for place in places {
                let place = self.place_of(place)?;
                let is_wanted =
                    |it: &(Place, StateClass)| listing.class.is_none_or(|is| is == it.1);
                wanted.extend(place.filter(is_wanted).map(|(Place { job, .. }, _)| job));
            }
            for some in wanted.chunks(AT_ONCE) {
                for (job, read) in some.iter().zip(self.bodies_of(some).await) {
                    let read = self.passed_over().unless_newer(job.as_str(), read)?;
                    let Some(row) = read.flatten() else { continue };
                    // It may have changed since it was listed.
                    let class = StateClass::of(&row.state);
                    if listing.class.is_some_and(|is| is != class) {
                        continue;
                    }
                    if rows.len() == limit {
                        let next = rows.last().map(Place::of);
                        return Ok(Page { rows, next });
                    }
                    rows.push(row);
                }
            }
        }
        Ok(Page { rows, next: None })
    }

    /// A page of the part of the line that is of a class.
    async fn page_of_line(
        &self,
        patience: &mut Patience,
        class: StateClass,
        state: PagingState,
    ) -> Result<(Vec<JobId>, Option<PagingState>), StoreError> {
        let (database, say) = (self.database(), &self.database().say);
        let (jobs, next): (Vec<(String,)>, _) =
            database.page(patience, &say.line, (class.as_str(),), state).await?;
        Ok((jobs.into_iter().map(|(job,)| JobId::new(job)).collect(), next))
    }

    /// Enters in the line what stands in the list alone: keyspaces and nodes of an earlier version
    /// know no line.
    pub(super) async fn mend_line(&self) -> Result<(), StoreError> {
        let mut patience = Patience::of("look who is not in line");
        let mut in_line = BTreeSet::new();
        for class in [StateClass::Waiting, StateClass::Running] {
            let mut begins = Some(PagingState::start());
            while let Some(state) = begins {
                let jobs;
                (jobs, begins) = self.page_of_line(&mut patience, class, state).await?;
                in_line.extend(jobs);
            }
        }
        let mut begins = Some(PagingState::start());
        while let Some(state) = begins {
            let places;
            (places, begins) = self.places(&mut patience, None, state).await?;
            for place in places {
                let Some((place, class)) = self.place_of(place)? else { continue };
                if !class.is_final() && !in_line.contains(&place.job) {
                    self.tell_or_leave(&place.job, None).await;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn count_places(&self) -> Result<BTreeMap<StateClass, u64>, StoreError> {
        let mut patience = Patience::of("count jobs");
        let (mut counts, mut begins) = (BTreeMap::new(), Some(PagingState::start()));
        while let Some(state) = begins {
            let places;
            (places, begins) = self.places(&mut patience, None, state).await?;
            for place in places {
                if let Some((_, class)) = self.place_of(place)? {
                    *counts.entry(class).or_default() += 1;
                }
            }
        }
        Ok(counts)
    }

    async fn places(
        &self,
        patience: &mut Patience,
        after: Option<&Place>,
        state: PagingState,
    ) -> Result<(Vec<Columns>, Option<PagingState>), StoreError> {
        let (database, say) = (self.database(), &self.database().say);
        match after {
            None => database.page(patience, &say.all_places, (), state).await,
            Some(Place { accepted_at, job }) => {
                let values = (whole(accepted_at.0), job.as_str());
                database.page(patience, &say.places, values, state).await
            }
        }
    }

    /// A place as its columns hold it; none where only a newer version knows the state.
    fn place_of(
        &self,
        (at, job, class): Columns,
    ) -> Result<Option<(Place, StateClass)>, StoreError> {
        let read = class.parse::<StateClass>();
        let unknown = |_| fault::too_new("the list of jobs", &format!("state `{class}`"));
        let class = self.passed_over().unless_newer(&job, read.map_err(unknown))?;
        let place = Place { accepted_at: Timestamp(natural(at)), job: JobId::new(job) };
        Ok(class.map(|class| (place, class)))
    }

    /// The rows of some, in their order.
    async fn bodies_of(&self, jobs: &[JobId]) -> Vec<Result<Option<JobRow>, StoreError>> {
        join_all(jobs.iter().map(|job| self.body_of(job))).await
    }

    /// The row as it is copied: what was decided last may be a moment away.
    pub(super) async fn body_of(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        let say = &self.database().say.read_body;
        let mut patience = Patience::of("read a job");
        let rows: Vec<(String, Option<Vec<u8>>, Option<bool>)> =
            self.database().rows(&mut patience, say, (job.as_str(),)).await?;
        let stands = rows.into_iter().next().filter(|row| row.2 != Some(true));
        let body = stands.and_then(|row| row.1);
        body.map(|body| decode_row(&body, job)).transpose()
    }
}

/// The order of turns as the line holds it.
pub(super) fn rank_of(row: &JobRow) -> i64 {
    i64::try_from(Turn::of(row).rank_ms()).unwrap_or(i64::MAX)
}
