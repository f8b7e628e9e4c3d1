//! The desk: how a front (command line, web, NATS) hands in jobs and follows them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    cause::with_causes,
    code::Code,
    figure,
    id::{JobId, TenantId},
    job::{
        JobRow,
        action::Tidings,
        listing::{Listing, Page, StateClass},
        origin::Origin,
    },
    progress::Progress,
    queue::{DeviceClass, Priority, Use, Waiting},
    request::JobRequest,
    residency::Residency,
    space::Room,
    store::StoreError,
    submission::Submission,
    unit::{ByteCount, Millis},
    wire::JobOrder,
};

/// Hands in, cancels, watches. The only door to the actors.
#[async_trait]
pub trait JobDesk: Send + Sync {
    /// Makes a job durable; it begins when its turn comes. An order that was taken before is
    /// answered with its job.
    ///
    /// # Errors
    /// `KeyTaken` where the order's key was used for another order, and what
    /// [`validate`](crate::request::validate) refuses.
    async fn submit(&self, request: JobRequest, terms: Terms) -> Result<Taken, DeskError>;
    /// The same for an order as fronts are sent it: what it names is looked up in the house.
    ///
    /// # Errors
    /// Those of `submit`, and `NoSuchThing`, `JobNotFound` and `Withheld` for what it names.
    async fn order(
        &self,
        order: JobOrder,
        submission: Option<Submission>,
    ) -> Result<Taken, DeskError>;
    /// Goes on with an interrupted job.
    async fn resume(&self, job: &JobId) -> Result<(), DeskError>;
    /// Ends a job for good; within one step of whatever it does.
    async fn cancel(&self, job: &JobId) -> Result<(), DeskError>;
    /// Removes a job that has ended with all that it kept and delivered into the data folder.
    async fn forget(&self, job: &JobId) -> Result<(), DeskError>;
    /// The row as stored.
    async fn show(&self, job: &JobId) -> Result<JobRow, DeskError>;
    /// A part of the list of all rows, newest first.
    async fn list(&self, listing: &Listing) -> Result<Page, DeskError>;
    /// How many jobs there are of each class.
    async fn count(&self) -> Result<BTreeMap<StateClass, u64>, DeskError>;
    /// How far the jobs are that run here.
    async fn progress(&self) -> Vec<(JobId, Progress)>;
    /// The model file that a job left; none if it left none.
    async fn model_file(&self, job: &JobId) -> Result<Option<PathBuf>, DeskError>;
    /// The sizes of what a job delivered to these paths; none where nothing stands.
    async fn delivered(
        &self,
        job: &JobId,
        files: &[PathBuf],
    ) -> Result<Vec<Option<ByteCount>>, DeskError>;
    /// A file of this machine with what a job delivered to this path; none if nothing stands there.
    async fn fetch(&self, job: &JobId, file: &Path) -> Result<Option<PathBuf>, DeskError>;
    /// Why a job waits; none if it does not wait here.
    async fn why(&self, job: &JobId) -> Result<Option<Waiting>, DeskError>;
    /// How long a job will still wait, as far as anybody knows; none if it does not wait here.
    async fn wait(&self, job: &JobId) -> Result<Option<Millis>, DeskError>;
    /// What happens to this job until it ends or is interrupted: first the tidings since it came
    /// into this node's hands, so that none is missed between `submit` and here, then what follows.
    /// Progress may be dropped when the watcher is slow, tidings are not.
    async fn watch(&self, job: &JobId) -> Result<Box<dyn Watching>, DeskError>;
    /// How the node itself is.
    fn health(&self) -> Health;
    /// Checkpoints and stops everything; returns when it stands still.
    async fn drain(&self);
}

/// How a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Room on the disk of the data folder.
    pub room: Room,
    /// Its devices, in order.
    pub devices: Vec<(DeviceClass, Use)>,
}

impl Health {
    /// Refuses what would need more room than there is.
    ///
    /// # Errors
    /// `DiskFull` while the disk has less than its floor.
    pub fn has_room(&self, act: &str) -> Result<(), DeskError> {
        let Room { free, floor, is_low } = self.room;
        if !is_low {
            return Ok(());
        }
        let (free, floor) = (figure::bytes(free.get()), figure::bytes(floor.get()));
        let message = format!(
            "{act}: the disk of the data folder has {free} left, and {floor} are kept free \
             (`disk_floor_mib`); make room, and everything goes on by itself"
        );
        Err(DeskError::new(Code::DiskFull, message))
    }

    /// Refuses to be called ready while nothing can be computed.
    ///
    /// # Errors
    /// `DiskFull`, and `DeviceLost` when every device was set aside.
    pub fn is_ready(&self) -> Result<(), DeskError> {
        self.has_room("begin work")?;
        let is_aside = |(_, used): &(DeviceClass, Use)| *used == Use::Aside;
        if self.devices.is_empty() || !self.devices.iter().all(is_aside) {
            return Ok(());
        }
        let message = "begin work: every device was set aside, because its work hung; start the \
                       node again, and its jobs go on";
        Err(DeskError::new(Code::DeviceLost, message))
    }
}

/// How a job is taken in; none of it decides what comes out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// How urgent it is.
    pub priority: Priority,
    /// Regions that it may not leave.
    pub regions: Residency,
    /// Whose it is; everybody's, if not said.
    pub tenant: Option<TenantId>,
    /// It runs on no machine that may be taken away.
    pub stays_off_spot: bool,
    /// The order that it comes with, if it may be sent again.
    pub submission: Option<Submission>,
    /// What it was made from.
    pub origin: Origin,
}

/// A job that was taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Its row.
    pub row: JobRow,
    /// It was taken in by an earlier sending of the same order.
    pub before: bool,
}

/// News of one job.
#[async_trait]
pub trait Watching: Send {
    /// The next piece of news; none once the supervisor has left.
    async fn next(&mut self) -> Option<News>;
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// How far it is.
    Progress(Progress),
    /// What happened.
    Tidings(Tidings),
}

/// Why the desk refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct DeskError {
    /// Which error.
    pub code: Code,
    /// Act, place, remedy.
    pub message: String,
}

impl DeskError {
    /// With this code and these words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Nothing of this name is there.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(Code::NoSuchThing, format!("no {what} {name:?} is here; list them to find it"))
    }
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        Self::new(error.code, with_causes(&error))
    }
}
