//! Orders to end jobs: plain writes at QUORUM. They are never taken back, so no two of them can be
//! at odds.

use async_trait::async_trait;
use tgs_protocol::{
    id::JobId,
    store::{EndOrders, StoreError},
};

use super::{Scylla, trouble::Patience};
use crate::fence;

#[async_trait]
impl EndOrders for Scylla {
    async fn order_end(&self, job: &JobId) -> Result<(), StoreError> {
        fence::check_name(job)?;
        let (database, mut patience) = (self.database(), Patience::of("order a job to end"));
        database.write(&mut patience, &database.say.order_end, (job.as_str(),)).await
    }

    async fn is_end_ordered(&self, job: &JobId) -> Result<bool, StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("look for an order to end"));
        let say = &database.say.end_order;
        let rows: Vec<(Option<bool>,)> = database.rows(&mut patience, say, (job.as_str(),)).await?;
        Ok(rows.into_iter().any(|(ordered,)| ordered == Some(true)))
    }
}
