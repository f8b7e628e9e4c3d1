//! What every handler can reach.

use std::{path::PathBuf, sync::Arc};

use metrics_exporter_prometheus::PrometheusHandle;
use tgs_protocol::{
    clock::{Clock, IdSource},
    dataset::DatasetStore,
    desk::JobDesk,
    model::desk::ModelDesk,
    notification::NoticeDesk,
    presence::NodeDesk,
    store::EventLog,
};

use crate::{guard::TokenHash, server::Settings};

/// Ports and settings of one node's front.
pub struct House {
    /// Jobs.
    pub desk: Arc<dyn JobDesk>,
    /// What they trained.
    pub models: Arc<dyn ModelDesk>,
    /// What happened to them.
    pub events: Arc<dyn EventLog>,
    /// Tables that were handed in.
    pub datasets: Arc<dyn DatasetStore>,
    /// The nodes of the cluster.
    pub nodes: Arc<dyn NodeDesk>,
    /// Who is told of what happens.
    pub notices: Arc<dyn NoticeDesk>,
    /// Where it stands.
    pub region: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh names.
    pub ids: Arc<dyn IdSource>,
    /// The data folder, which no refusal names.
    pub folder: PathBuf,
    /// Who may come in.
    pub token: TokenHash,
    /// Limits.
    pub settings: Settings,
    /// What is measured.
    pub metrics: PrometheusHandle,
}
