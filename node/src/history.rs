//! History: jobs that ended are kept by their number, and at least a day.

use std::{sync::Arc, time::Duration};

use tgs_protocol::{
    clock::Clock,
    code::Code,
    desk::{DeskError, JobDesk},
    id::JobId,
    job::{JobRow, listing::Listing},
    limits::{HISTORY_LEAST_MS, PAGE_ROWS_MAX},
    unit::Timestamp,
};

/// How often it is looked at.
const PERIOD: Duration = Duration::from_secs(600);

/// Forgets what is beyond the history, again and again.
pub async fn keep(desk: Arc<dyn JobDesk>, clock: Arc<dyn Clock>, history: usize) {
    loop {
        if let Err(error) = forget_beyond(&*desk, clock.now(), history).await {
            tracing::warn!(%error, "the history is longer than it should be");
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn forget_beyond(
    desk: &dyn JobDesk,
    now: Timestamp,
    history: usize,
) -> Result<(), DeskError> {
    let counts = desk.count().await?;
    let ended: u64 = counts.iter().filter(|(class, _)| class.is_final()).map(|(_, n)| n).sum();
    if ended <= history as u64 {
        return Ok(());
    }
    let mut listing = Listing { class: None, after: None, limit: PAGE_ROWS_MAX };
    let mut kept = 0;
    loop {
        let page = desk.list(&listing).await?;
        let ended = page.rows.iter().filter(|row| row.state.is_final());
        let beyond: Vec<&JobRow> = ended.skip(history.saturating_sub(kept)).collect();
        kept += page.rows.iter().filter(|row| row.state.is_final()).count();
        for job in old_of(&beyond, now) {
            match desk.forget(&job).await {
                // Another node has the same history.
                Err(error) if error.code != Code::JobNotFound => return Err(error),
                _ => {}
            }
        }
        let Some(next) = page.next else { return Ok(()) };
        listing.after = Some(next);
    }
}

fn old_of(rows: &[&JobRow], now: Timestamp) -> Vec<JobId> {
    let is_old = |row: &JobRow| {
        let ended_at = row.changed_at.max(row.accepted_at);
        now.get().saturating_sub(ended_at.get()) >= HISTORY_LEAST_MS
    };
    rows.iter().filter(|row| is_old(row)).map(|row| row.id.clone()).collect()
}
