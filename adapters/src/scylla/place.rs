//! The list of jobs: a copy, in order, that is as new as the last row that was told of.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use scylla::response::PagingState;
use tgs_protocol::{
    id::JobId,
    job::{
        JobRow,
        listing::{Listing, Page, Place, StateClass},
    },
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
    /// Enters a row in the list, unless a later version of it is there.
    pub(super) async fn put_place(
        &self,
        patience: &mut Patience,
        row: &JobRow,
        version: i64,
    ) -> Result<(), StoreError> {
        let (at, class) = (whole(row.accepted_at.0), StateClass::of(&row.state).as_str());
        let say = &self.database().say.put_place;
        self.database().write(patience, say, (at, row.id.as_str(), class, version)).await
    }

    /// Takes a place out of the list, and every one that was entered before this version.
    pub(super) async fn drop_place(
        &self,
        patience: &mut Patience,
        place: &Place,
        version: i64,
    ) -> Result<(), StoreError> {
        let values = (version, whole(place.accepted_at.0), place.job.as_str());
        self.database().write(patience, &self.database().say.drop_place, values).await
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
    async fn body_of(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        let say = &self.database().say.read_body;
        let mut patience = Patience::of("read a job");
        let rows: Vec<(String, Option<Vec<u8>>, Option<bool>)> =
            self.database().rows(&mut patience, say, (job.as_str(),)).await?;
        let stands = rows.into_iter().next().filter(|row| row.2 != Some(true));
        let body = stands.and_then(|row| row.1);
        body.map(|body| decode_row(&body, job)).transpose()
    }
}

fn place_of((at, job, class): Columns) -> Result<(Place, StateClass), StoreError> {
    let class = class.parse().map_err(|_| damaged("the list of jobs"))?;
    let place = Place { accepted_at: Timestamp(natural(at)), job: JobId::new(job) };
    Ok((place, class))
}
