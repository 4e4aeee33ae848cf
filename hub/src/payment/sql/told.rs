//! The rows of events and of purchases: what payers are told, and what stands in their record.

use std::sync::Arc;

use domain::feed::{Event, EventKind};
use domain::purchase::{PurchaseState, Terminal};
use domain::{PaymentId, PersonId, Timestamp};
use server_kit::store::{StoreError, Table, Tx};

use crate::directory::snapshot;
use crate::records::give_back::{self, Returned};

const EVENTS: Table = Table {
    name: "events",
    key: &["person_id", "sequence"],
    columns: &["person_id", "sequence", "occurred_at", "kind", "payment_id", "sealed_code", "expires_at"],
};

const PURCHASES: Table = Table {
    name: "purchases",
    key: &["person_id", "sequence"],
    columns: &[
        "person_id",
        "sequence",
        "occurred_at",
        "payment_id",
        "version",
        "currency",
        "amount_minor",
        "given_back_minor",
        "bank_id",
        "account_masked",
        "merchant",
        "category",
        "terminal_id",
        "items",
        "nature",
        "credit_minor",
    ],
};

/// An event with the sealed code that is stored with it.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub event: Arc<Event>,
    pub sealed_code: Option<Vec<u8>>,
    /// The payment under which the event is stored: for a refund its own, not the one it gives back from.
    pub payment_id: PaymentId,
}

pub(crate) async fn insert_events(tx: &mut Tx, events: &[NewEvent]) -> Result<(), StoreError> {
    let write = |new: &NewEvent| {
        let expires_at = match &new.event.kind {
            EventKind::Code { expires_at, .. } => Some(*expires_at),
            _ => None,
        };
        vec![
            new.event.person_id.uuid().into(),
            new.event.sequence.into(),
            new.event.occurred_at.into(),
            new.event.kind.name().into(),
            new.payment_id.uuid().into(),
            new.sealed_code.clone().into(),
            expires_at.into(),
        ]
    };
    tx.insert(&EVENTS, events.iter().map(write).collect()).await
}

/// A charge and who charged: the record of it.
#[derive(Clone, Debug)]
pub(crate) struct Charged {
    pub event: Arc<Event>,
    pub seller: Arc<Terminal>,
}

pub(crate) async fn insert_purchases(tx: &mut Tx, charges: &[Charged]) -> Result<(), StoreError> {
    let write = |Charged { event, seller }: &Charged| {
        let EventKind::Charge(purchase) = &event.kind else { return None };
        Some(vec![
            purchase.person_id.uuid().into(),
            event.sequence.into(),
            purchase.occurred_at.into(),
            purchase.payment_id.uuid().into(),
            1_i64.into(),
            purchase.amount.currency.code().into(),
            purchase.amount.minor.into(),
            purchase.given_back_minor.into(),
            purchase.bank_id.as_str().into(),
            purchase.account_masked.as_str().into(),
            snapshot::merchant_to_json(seller).into(),
            purchase.merchant.category.as_str().into(),
            purchase.terminal_id.as_str().into(),
            snapshot::items_to_json(&purchase.items).into(),
            purchase.nature.as_str().into(),
            purchase.credit_minor.into(),
        ])
    };
    tx.insert(&PURCHASES, charges.iter().filter_map(write).collect()).await
}

/// Money that came back to a purchase in the record.
#[derive(Clone, Debug)]
pub(in crate::payment) struct GivenBack {
    pub person_id: PersonId,
    /// The place of the charge in the person's feed.
    pub sequence: i64,
    pub amount_minor: i64,
    /// The state of the purchase afterwards.
    pub state: PurchaseState,
    /// The refund, or the purchase itself when that is reversed.
    pub payment_id: PaymentId,
    pub given_at: Timestamp,
}

pub(in crate::payment) async fn add_given_back(tx: &mut Tx, given: &GivenBack) -> Result<(), StoreError> {
    let sql = "UPDATE purchases SET given_back_minor = given_back_minor + $1, state = $2, version = version + 1 \
               WHERE person_id = $3 AND sequence = $4";
    let (person_id, state) = (given.person_id.uuid(), given.state.as_str());
    let args = vec![given.amount_minor.into(), state.into(), person_id.into(), given.sequence.into()];
    let GivenBack { given_at, amount_minor, payment_id, .. } = *given;
    let returned = Returned { given_at, amount_minor, reversal: given.state == PurchaseState::Reversed, payment_id };
    match tx.execute(sql, args).await? {
        1 => give_back::add(tx, given.person_id, given.sequence, &returned).await,
        _ => Err(StoreError::Refused("a payment that is committed has no purchase".to_owned())),
    }
}
