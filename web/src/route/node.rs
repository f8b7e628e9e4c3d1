//! Nodes of the cluster: who is there, and what operators want of whom.

use actix_web::{HttpResponse, http::Method, web::Path};
use tgs_protocol::{
    code::Code,
    presence::{NodeOrder, NodeView},
    wire::PageView,
};

use super::InHouse;
use crate::{endpoint::Endpoint, house::House, problem::Problem};

pub fn endpoints() -> Vec<Endpoint> {
    let listed = ("listNodes", "The nodes of the cluster, by name; of one server, itself.");
    let shown = ("getNode", "One node, with what is wrong with it.");
    let cordoned = ("cordonNode", "A node takes up no more jobs; what it has begun it ends.");
    let drained = ("drainNode", "A node takes up no more jobs, and hands over what it has begun.");
    let back = ("uncordonNode", "A node takes up jobs again.");
    let ordered = "It is ordered; the node heeds it within seconds, and after a restart too.";
    let one = "/v1/nodes/{node}";
    let refused = [Code::NoSuchThing];
    vec![
        Endpoint::new(Method::GET, "/v1/nodes", listed, list)
            .gives::<PageView<NodeView>>(200, "All of them."),
        Endpoint::new(Method::GET, one, shown, show)
            .gives::<NodeView>(200, "The node.")
            .refuses(&refused),
        Endpoint::new(Method::POST, "/v1/nodes/{node}:cordon", cordoned, cordon)
            .gives::<NodeView>(200, ordered)
            .refuses(&refused),
        Endpoint::new(Method::POST, "/v1/nodes/{node}:drain", drained, drain)
            .gives::<NodeView>(200, ordered)
            .refuses(&refused),
        Endpoint::new(Method::POST, "/v1/nodes/{node}:uncordon", back, uncordon)
            .gives::<NodeView>(200, ordered)
            .refuses(&refused),
    ]
}

/// `GET /v1/nodes`
async fn list(house: InHouse) -> Result<HttpResponse, Problem> {
    let items = house.nodes.nodes().await?;
    Ok(HttpResponse::Ok().json(PageView { items, next_page_token: None }))
}

/// `GET /v1/nodes/{node}`
async fn show(house: InHouse, node: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(house.nodes.node(&node).await?))
}

/// `POST /v1/nodes/{node}:cordon`
async fn cordon(house: InHouse, node: Path<String>) -> Result<HttpResponse, Problem> {
    ordered(&house, &node, NodeOrder::Cordon).await
}

/// `POST /v1/nodes/{node}:drain`
async fn drain(house: InHouse, node: Path<String>) -> Result<HttpResponse, Problem> {
    ordered(&house, &node, NodeOrder::Drain).await
}

/// `POST /v1/nodes/{node}:uncordon`
async fn uncordon(house: InHouse, node: Path<String>) -> Result<HttpResponse, Problem> {
    ordered(&house, &node, NodeOrder::Work).await
}

async fn ordered(house: &House, node: &str, order: NodeOrder) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(house.nodes.order(node, order).await?))
}
