//! Subscriptions: webhooks and mail are asked for, shown, switched and removed in the same way.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::LOCATION},
    web::{Path, Payload},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tgs_protocol::{
    code::Code,
    digest::Digest,
    id::SubscriptionId,
    notification::{Subscription, Target, desk::Wish, target::SigningKey},
    submission::Submission,
    wire::{
        PageView,
        notification::{MailOrder, SubscriptionView, TrialView, TurnOrder, Turned, WebhookOrder},
    },
};

use super::{InHouse, job::key_of};
use crate::{
    body,
    endpoint::{Endpoint, header},
    house::House,
    problem::Problem,
};

mod delivery;

/// Bytes of what is sent here: an address is the longest of it.
const ORDER_BYTES_MAX: usize = 16 << 10;

/// One way on which notices leave, as addresses of the front.
pub trait Medium: 'static {
    /// Where its subscriptions are.
    const PATHS: Paths;
    /// What one is called.
    const WORD: &'static str;
    /// What is sent to make one.
    type Order: DeserializeOwned + JsonSchema;
    /// What it asks for.
    fn wish(order: Self::Order) -> Wish;
    /// Whether a subscription is of this kind.
    fn is_of(target: &Target) -> bool;
}

/// Addresses of one medium, and what a generated client calls their functions.
pub struct Paths {
    all: &'static str,
    one: &'static str,
    test: &'static str,
    deliveries: &'static str,
    resend: &'static str,
    ids: [&'static str; 8],
}

/// Posted to an address of the web.
pub struct Webhooks;

/// Sent to a mailbox.
pub struct Mail;

impl Medium for Webhooks {
    const PATHS: Paths = Paths {
        all: "/v1/webhooks",
        one: "/v1/webhooks/{webhook}",
        test: "/v1/webhooks/{webhook}:test",
        deliveries: "/v1/webhooks/{webhook}/deliveries",
        resend: "/v1/webhooks/{webhook}/deliveries/{event}:resend",
        ids: [
            "createWebhook",
            "listWebhooks",
            "getWebhook",
            "updateWebhook",
            "deleteWebhook",
            "testWebhook",
            "listWebhookDeliveries",
            "resendWebhookDelivery",
        ],
    };
    const WORD: &'static str = "webhook";
    type Order = WebhookOrder;

    fn wish(order: WebhookOrder) -> Wish {
        let WebhookOrder { url, kinds, secret } = order;
        let keys = secret.into_iter().map(|secret| SigningKey { secret, until: None }).collect();
        Wish { target: Target::Webhook { url, keys }, kinds, submission: None }
    }

    fn is_of(target: &Target) -> bool {
        matches!(target, Target::Webhook { .. })
    }
}

impl Medium for Mail {
    const PATHS: Paths = Paths {
        all: "/v1/mail-subscriptions",
        one: "/v1/mail-subscriptions/{subscription}",
        test: "/v1/mail-subscriptions/{subscription}:test",
        deliveries: "/v1/mail-subscriptions/{subscription}/deliveries",
        resend: "/v1/mail-subscriptions/{subscription}/deliveries/{event}:resend",
        ids: [
            "createMailSubscription",
            "listMailSubscriptions",
            "getMailSubscription",
            "updateMailSubscription",
            "deleteMailSubscription",
            "testMailSubscription",
            "listMailDeliveries",
            "resendMailDelivery",
        ],
    };
    const WORD: &'static str = "mail subscription";
    type Order = MailOrder;

    fn wish(order: MailOrder) -> Wish {
        let MailOrder { to, kinds } = order;
        Wish { target: Target::Mail { to }, kinds, submission: None }
    }

    fn is_of(target: &Target) -> bool {
        matches!(target, Target::Mail { .. })
    }
}

pub fn endpoints() -> Vec<Endpoint> {
    let rotated =
        ("rotateWebhookSecret", "Gives a fresh secret; for a day the one before signs too.");
    // Mail is not signed by a secret.
    let rotated = Endpoint::new(Method::POST, "/v1/webhooks/{webhook}:rotate", rotated, rotate)
        .gives::<SubscriptionView>(200, "The webhook with its new secret, shown this once.")
        .refuses(&[Code::NoSuchThing, Code::Overtaken]);
    let all = [endpoints_of::<Webhooks>(), endpoints_of::<Mail>(), vec![rotated]];
    all.into_iter().flatten().collect()
}

fn endpoints_of<M: Medium>() -> Vec<Endpoint> {
    let Paths { all, one, test, ids, .. } = M::PATHS;
    let [made, listed, shown, turned, removed, tried, ..] = ids;
    let mut endpoints = vec![
        Endpoint::new(Method::POST, all, (made, "Subscribes."), subscribe::<M>)
            .reads(&[header::IDEMPOTENCY_KEY])
            .takes::<M::Order>()
            .gives::<SubscriptionView>(201, "It is told of what happens from now on.")
            .with(&[header::LOCATION])
            .gives::<SubscriptionView>(200, "It was made before, by the same order and key.")
            .with(&[header::LOCATION])
            .refuses(&[Code::KeyTaken, Code::TooLarge]),
        Endpoint::new(Method::GET, all, (listed, "Every one, without secrets."), list::<M>)
            .gives::<PageView<SubscriptionView>>(200, "All of them."),
        Endpoint::new(Method::GET, one, (shown, "One of them."), show::<M>)
            .gives::<SubscriptionView>(200, "It, without its secret.")
            .refuses(&[Code::NoSuchThing]),
        Endpoint::new(Method::PATCH, one, (turned, "Switches one on or off."), turn::<M>)
            .takes::<TurnOrder>()
            .gives::<SubscriptionView>(200, "As it is now.")
            .refuses(&[Code::NoSuchThing, Code::Overtaken, Code::TooLarge]),
        Endpoint::new(Method::DELETE, one, (removed, "Removes one."), unsubscribe::<M>)
            .gives_nothing(204, "It is removed, with its deliveries.")
            .refuses(&[Code::NoSuchThing]),
        Endpoint::new(Method::POST, test, (tried, "Sends a trial at once."), try_out::<M>)
            .gives::<TrialView>(200, "What came of it.")
            .refuses(&[Code::NoSuchThing]),
    ];
    endpoints.extend(delivery::endpoints::<M>());
    endpoints
}

/// `POST /v1/webhooks`: the answer shows the secret, this once.
async fn subscribe<M: Medium>(
    house: InHouse,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let body = body::whole(M::WORD, body, ORDER_BYTES_MAX).await?;
    let order: M::Order = body::json(M::WORD, &body)?;
    let submission = key_of(&request)?.map(|key| Submission { key, body: Digest::of(&body) });
    let wish = Wish { submission, ..M::wish(order) };
    if wish.kinds.is_empty() {
        let message = "cannot subscribe to nothing: name kinds of events, or leave kinds out";
        return Err(Problem::new(Code::BadRequest, message));
    }
    let (row, before) = house.notices.subscribe(wish).await?;
    let status = if before { StatusCode::OK } else { StatusCode::CREATED };
    Ok(HttpResponse::build(status)
        .insert_header((LOCATION, format!("{}/{}", M::PATHS.all, row.id)))
        .json(SubscriptionView::with_secret(&row)))
}

/// `GET /v1/webhooks`
async fn list<M: Medium>(house: InHouse) -> Result<HttpResponse, Problem> {
    let rows = house.notices.list().await?;
    let rows = rows.iter().filter(|row| M::is_of(&row.target));
    let items: Vec<_> = rows.map(SubscriptionView::of).collect();
    Ok(HttpResponse::Ok().json(PageView { items, next_page_token: None }))
}

/// `GET /v1/webhooks/{webhook}`
async fn show<M: Medium>(house: InHouse, id: Path<String>) -> Result<HttpResponse, Problem> {
    let row = find::<M>(&house, &id).await?;
    Ok(HttpResponse::Ok().json(SubscriptionView::of(&row)))
}

/// `PATCH /v1/webhooks/{webhook}` with `{"state": "disabled"}`
async fn turn<M: Medium>(
    house: InHouse,
    id: Path<String>,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let order: TurnOrder = body::order(M::WORD, body, ORDER_BYTES_MAX).await?;
    let row = find::<M>(&house, &id).await?;
    let row = house.notices.turn(&row.id, order.state == Turned::Active).await?;
    Ok(HttpResponse::Ok().json(SubscriptionView::of(&row)))
}

/// `DELETE /v1/webhooks/{webhook}`
async fn unsubscribe<M: Medium>(house: InHouse, id: Path<String>) -> Result<HttpResponse, Problem> {
    let row = find::<M>(&house, &id).await?;
    house.notices.unsubscribe(&row.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/webhooks/{webhook}:rotate`: the answer shows the new secret, this once.
async fn rotate(house: InHouse, id: Path<String>) -> Result<HttpResponse, Problem> {
    let row = find::<Webhooks>(&house, &id).await?;
    let row = house.notices.rotate(&row.id).await?;
    Ok(HttpResponse::Ok().json(SubscriptionView::with_secret(&row)))
}

/// `POST /v1/webhooks/{webhook}:test`: sends a trial at once and tells what came of it.
async fn try_out<M: Medium>(house: InHouse, id: Path<String>) -> Result<HttpResponse, Problem> {
    let row = find::<M>(&house, &id).await?;
    let view = match house.notices.try_out(&row.id).await? {
        Ok(receipt) => TrialView { delivered: true, status: receipt.status, error: None },
        Err(undelivered) => {
            let (status, error) = (undelivered.status, Some(undelivered.why));
            TrialView { delivered: false, status, error }
        }
    };
    Ok(HttpResponse::Ok().json(view))
}

async fn find<M: Medium>(house: &House, id: &str) -> Result<Subscription, Problem> {
    let row = house.notices.show(&SubscriptionId::new(id)).await?;
    if M::is_of(&row.target) { Ok(row) } else { Err(Problem::not_found(M::WORD, id)) }
}
