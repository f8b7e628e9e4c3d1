//! Whoever is far away is not told where this node keeps its files.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use crate::{house::House, problem::Problem};

/// Takes the data folder out of what a refusal says; what lies in it keeps its name.
pub(crate) async fn keep(
    house: Data<House>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(request).await?;
    let refused = response.response().error().and_then(|error| error.as_error::<Problem>());
    let told = refused.and_then(|problem| problem.without_folder(&house.folder));
    Ok(match told {
        None => response.map_into_left_body(),
        Some(told) => response.into_response(told.answer()).map_into_right_body(),
    })
}
