//! Does what a job asked for once more.

use actix_web::http::StatusCode;
use tgs_protocol::{
    code::Code,
    job::{JobRow, retry},
    kept,
    model::may_be_sampled,
    request::{Goal, JobRequest},
};

use crate::{house::House, problem::Problem};

/// What a job asked for that failed or was cancelled, with a folder of its own. Whether rows may be
/// drawn from its model is asked anew.
pub async fn retried(house: &House, row: &JobRow) -> Result<JobRequest, Problem> {
    let again = retry::retried(row, &kept::results().join(house.ids.name()));
    let again = again.map_err(|refusal| {
        Problem::with_status(StatusCode::CONFLICT, refusal.code, refusal.message)
    })?;
    if let Goal::Generate { .. } = &again.goal {
        let Some(model) = &row.origin.model_of else {
            let message = "it does not say whose model it draws from; order it anew";
            let message = format!("cannot retry job {}: {message}", row.id);
            return Err(Problem::with_status(StatusCode::CONFLICT, Code::BadRequest, message));
        };
        may_be_sampled(&house.desk.show(model).await?)?;
    }
    Ok(again)
}
