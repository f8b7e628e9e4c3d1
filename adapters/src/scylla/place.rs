//! The list of jobs, and the line of those that have not ended: copies, in order, that are as new
//! as the last row that was told of.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use scylla::response::PagingState;
use tgs_protocol::{
    id::JobId,
    job::{
        JobRow,
        listing::{Listing, Page, Place, StateClass},
    },
    queue::Turn,
    store::StoreError,
    unit::Timestamp,
};

use super::{
    Scylla,
    job::decode_row,
    lease::{natural, whole},
    trouble::{Patience, damaged},
};

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
        region: Option<&str>,
        but: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let mut patience = Patience::of("look who is first in line");
        let (mut first, mut begins) = (Vec::new(), Some(PagingState::start()));
        while let Some(state) = begins {
            let mut jobs;
            (jobs, begins) = self.page_of_line(&mut patience, class, state).await?;
            jobs.retain(|job| !but.contains(job));
            for some in jobs.chunks(limit.clamp(1, AT_ONCE)) {
                let rows = self.rows_of(class, some).await?.into_iter();
                first.extend(rows.filter(|row| row.may_be_in(region)));
                if first.len() >= limit {
                    first.truncate(limit);
                    return Ok(first);
                }
            }
        }
        Ok(first)
    }

    /// Rows of some that were entered in the line of a class, without those that have left it.
    async fn rows_of(&self, class: StateClass, jobs: &[JobId]) -> Result<Vec<JobRow>, StoreError> {
        let mut rows = Vec::new();
        for row in
            try_join_all(jobs.iter().map(|job| self.body_of(job))).await?.into_iter().flatten()
        {
            match StateClass::of(&row.state) == class {
                true => rows.push(row),
                // It has changed since it was entered, or nobody told of its change.
                false => self.tell_or_leave(&row.id, None).await,
            }
        }
        Ok(rows)
    }

    /// The names of the first in line, and the rows of those that are not known.
    pub(super) async fn line_but(
        &self,
        class: StateClass,
        known: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<(Vec<JobId>, Vec<JobRow>), StoreError> {
        let mut patience = Patience::of("look who is in line");
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        let mut begins = Some(PagingState::start());
        while let Some(state) = begins.filter(|_| names.len() < limit) {
            let mut jobs;
            (jobs, begins) = self.page_of_line(&mut patience, class, state).await?;
            jobs.truncate(limit - names.len());
            let others: Vec<_> = jobs.iter().filter(|job| !known.contains(*job)).cloned().collect();
            for some in others.chunks(AT_ONCE) {
                rows.extend(self.rows_of(class, some).await?);
            }
            names.extend(jobs);
        }
        let is_there: BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
        names.retain(|job| known.contains(job) || is_there.contains(job));
        Ok((names, rows))
    }

    pub(super) async fn page_of(&self, listing: &Listing) -> Result<Page, StoreError> {
        let limit = listing.limit.max(1);
        let mut patience = Patience::of("list jobs");
        let (mut rows, mut begins) = (Vec::new(), Some(PagingState::start()));
        while let Some(state) = begins {
            let places;
            (places, begins) = self.places(&mut patience, listing.after.as_ref(), state).await?;
            let wanted: Vec<(Place, StateClass)> = places
                .into_iter()
                .map(place_of)
                .filter(|place| {
                    place.as_ref().map_or(true, |it| listing.class.is_none_or(|is| is == it.1))
                })
                .collect::<Result<_, _>>()?;
            for some in wanted.chunks(AT_ONCE) {
                let read = some.iter().map(|(place, _)| self.body_of(&place.job));
                for row in try_join_all(read).await?.into_iter().flatten() {
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
                let (place, class) = place_of(place)?;
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
                *counts.entry(place_of(place)?.1).or_default() += 1;
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

fn place_of((at, job, class): Columns) -> Result<(Place, StateClass), StoreError> {
    let class = class.parse().map_err(|_| damaged("the list of jobs"))?;
    let place = Place { accepted_at: Timestamp(natural(at)), job: JobId::new(job) };
    Ok((place, class))
}
