//! The desk of models: reads who trained what, and puts requests for rows in line.

use std::{sync::OnceLock, time::Duration};

use async_trait::async_trait;
use tgs_protocol::{
    code::Code,
    desk::DeskError,
    id::JobId,
    job::{
        JobRow,
        listing::{Listing, Page, Place},
    },
    limits::{MODELS_LOOKED_THROUGH_MAX, SAMPLE_ANSWER_MS, SAMPLE_ROWS_MAX},
    model::{desk::ModelDesk, has_model, may_be_sampled},
    wire::SampleOrder,
};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use crate::{
    failure::Fault,
    ports::Ports,
    row_sampler::{Draw, RowSamplers},
    store_call::answer,
};

/// Rows of jobs that are read at one time.
const ROWS_READ: usize = 100;

/// The desk.
pub(crate) struct Models {
    ports: Ports,
    runtime: Handle,
    /// Started by the first request: most nodes never get one.
    samplers: OnceLock<std::io::Result<RowSamplers>>,
}

impl Models {
    /// Of the node whose runtime this is called in.
    pub(crate) fn new(ports: Ports) -> Self {
        Self { ports, runtime: Handle::current(), samplers: OnceLock::new() }
    }

    async fn row(&self, job: &JobId) -> Result<JobRow, Fault> {
        let row = answer("read job", self.ports.jobs.read(job)).await?;
        row.ok_or_else(|| {
            let said = format!("no model {job} is here; list them to find it");
            Fault::new(Code::NoSuchThing, said)
        })
    }

    fn samplers(&self) -> Result<&RowSamplers, Fault> {
        let start = || RowSamplers::start(self.ports.clone(), self.runtime.clone());
        self.samplers.get_or_init(start).as_ref().map_err(|error| {
            Fault::new(Code::Internal, format!("start threads that draw rows: {error}"))
        })
    }

    async fn drawn(&self, job: &JobId, order: SampleOrder) -> Result<Vec<u8>, Fault> {
        if !(1..=SAMPLE_ROWS_MAX).contains(&order.rows) {
            let said = format!(
                "draw {} rows at once: ask for 1 to {SAMPLE_ROWS_MAX}, or order a job of kind \
                 generate",
                order.rows
            );
            return Err(Fault::new(Code::RowsOutOfRange, said));
        }
        let row = self.row(job).await?;
        let model = may_be_sampled(&row)?;
        let (reply, drawn) = oneshot::channel();
        self.samplers()?.draw(Draw { job: job.clone(), model, order, reply })?;
        match timeout(Duration::from_millis(SAMPLE_ANSWER_MS), drawn).await {
            Ok(Ok(drawn)) => drawn,
            Ok(Err(_)) => Err(Fault::new(Code::Internal, "draw rows: nobody answers; report it")),
            Err(_) => {
                let said = format!(
                    "draw rows: they did not come within {} s; ask for fewer, or again later",
                    SAMPLE_ANSWER_MS / 1_000
                );
                Err(Fault::new(Code::Busy, said))
            }
        }
    }
}

#[async_trait]
impl ModelDesk for Models {
    async fn models(&self, after: Option<Place>, limit: usize) -> Result<Page, DeskError> {
        let (mut rows, mut next, mut looked_through) = (Vec::new(), after, 0);
        while rows.len() < limit && looked_through < MODELS_LOOKED_THROUGH_MAX {
            let listing = Listing { class: None, after: next.take(), limit: ROWS_READ };
            let page = answer("list jobs", self.ports.jobs.list(&listing)).await;
            let page = page.map_err(Fault::from)?;
            looked_through += page.rows.len();
            let mut found = page.rows.into_iter();
            while let Some(row) = found.next() {
                if has_model(&row) {
                    rows.push(row);
                }
                if rows.len() == limit && (found.len() > 0 || page.next.is_some()) {
                    next = rows.last().map(Place::of);
                    return Ok(Page { rows, next });
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(Page { rows, next })
    }

    async fn model(&self, job: &JobId) -> Result<JobRow, DeskError> {
        let row = self.row(job).await?;
        if has_model(&row) {
            return Ok(row);
        }
        let said = format!("job {job} has left no model; list the models to find one");
        Err(Fault::new(Code::NoSuchThing, said).into())
    }

    async fn sample(&self, job: &JobId, order: SampleOrder) -> Result<Vec<u8>, DeskError> {
        Ok(self.drawn(job, order).await?)
    }
}
