//! Reads both sides: the hub's payments from its database, a bank's legs through its own service.

use proto::bank as pb;
use proto::bank::bank_service_client::BankServiceClient;
use ring::digest::{Context, SHA256};
use server_kit::store::{Store, StoreError};
use tonic::Status;
use tonic::transport::Channel;
use uuid::Uuid;

use super::{LegRow, PaymentRow};

/// Legs of one page; the bank says at most 200.
const PAGE: i32 = 200;

/// Why one side could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the bank does not list its legs: {}", .0.message())]
    Refused(Box<Status>),
    #[error("a leg cannot be read: {0}")]
    Malformed(&'static str),
    /// The bank's list and the digest that it sent with it are not of the same legs.
    #[error("the digest of a page of legs does not fit the page")]
    Digest,
}

/// Every payment of the hub; of a repayment, which has two legs, a row for what is taken and one for what is paid in.
pub async fn payments_of(hub: &Store) -> Result<Vec<PaymentRow>, StoreError> {
    let sql = "SELECT payment_id, kind, state, currency, COALESCE(completed_minor, amount_minor), original_id, bank_id, leg_id, reversal_leg_id \
               FROM payments UNION ALL SELECT repayment_id, 'REPAYMENT', state, currency, amount_minor, NULL, from_bank_id, from_leg_id, \
               NULL FROM repayments UNION ALL SELECT repayment_id, 'REPAID', state, currency, amount_minor, NULL, to_bank_id, to_leg_id, \
               NULL FROM repayments ORDER BY 1, 2";
    let rows = hub.fetch(sql, Vec::new()).await?;
    let read = |row: &server_kit::store::Row| {
        Ok(PaymentRow {
            id: row.id(0)?,
            kind: row.text(1)?,
            state: row.text(2)?,
            currency: row.text(3)?,
            amount_minor: row.int(4)?,
            original: row.maybe_id(5)?,
            bank: row.maybe_text(6)?,
            leg: row.maybe_id(7)?,
            reversal_leg: row.maybe_id(8)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Every leg of one bank, page by page, each page checked against its digest. `client` calls as the hub.
pub async fn legs_of(bank: &str, mut client: BankServiceClient<Channel>) -> Result<Vec<LegRow>, ReadError> {
    let mut legs = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListLegsRequest {
            changed_from: Some(proto::to_timestamp(domain::Timestamp::from_secs(0))),
            changed_before: Some(proto::to_timestamp(domain::Timestamp::from_secs(4_102_444_800))),
            page_size: PAGE,
            page_token,
        };
        let page = client.list_legs(request).await.map_err(|status| ReadError::Refused(Box::new(status)))?.into_inner();
        if digest(&page.legs)? != page.digest_sha256 {
            return Err(ReadError::Digest);
        }
        for leg in &page.legs {
            legs.push(read_leg(bank, leg)?);
        }
        if page.next_page_token.is_empty() {
            return Ok(legs);
        }
        page_token = page.next_page_token;
    }
}

fn state(leg: &pb::Leg) -> Result<&'static str, ReadError> {
    match pb::LegState::try_from(leg.state) {
        Ok(pb::LegState::Held) => Ok("HELD"),
        Ok(pb::LegState::Posted) => Ok("POSTED"),
        Ok(pb::LegState::Voided) => Ok("VOIDED"),
        Ok(pb::LegState::Refused) => Ok("REFUSED"),
        Ok(pb::LegState::Unspecified) | Err(_) => Err(ReadError::Malformed("its state is not known here")),
    }
}

fn read_leg(bank: &str, leg: &pb::Leg) -> Result<LegRow, ReadError> {
    let id = |text: &str| Uuid::try_parse(text).map_err(|_| ReadError::Malformed("an id is malformed"));
    let original = if leg.original_leg_id.is_empty() { None } else { Some(id(&leg.original_leg_id)?) };
    Ok(LegRow {
        bank: bank.to_owned(),
        id: id(&leg.leg_id)?,
        payment: id(&leg.payment_id)?,
        state: state(leg)?.to_owned(),
        currency: leg.amount.as_ref().map(|amount| amount.currency_code.clone()).unwrap_or_default(),
        // A completion has released the rest.
        amount_minor: leg.amount.as_ref().map_or(0, |amount| amount.minor_units).saturating_sub(leg.released_minor),
        original,
    })
}

/// SHA-256 over "leg_id state amount_minor\n" of the legs in order, as bank_service.proto says.
fn digest(legs: &[pb::Leg]) -> Result<Vec<u8>, ReadError> {
    let mut context = Context::new(&SHA256);
    for leg in legs {
        let amount_minor = leg.amount.as_ref().map_or(0, |amount| amount.minor_units);
        context.update(format!("{} {} {amount_minor}\n", leg.leg_id, state(leg)?).as_bytes());
    }
    Ok(context.finish().as_ref().to_vec())
}
