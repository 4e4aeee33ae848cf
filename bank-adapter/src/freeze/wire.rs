//! Orders of holders and what came of them, as messages.

use std::collections::HashSet;

use domain::freeze::{Confirmation, HolderFreeze, HolderOrder};
use domain::payment::Instrument;
use domain::{AccountId, BankId, CardId, Reason};
use proto::bank;
use server_kit::keystore::{KeyError, KeyName, KeyStore};

use super::Order;

/// The most orders of one call.
const MOST_ORDERS: usize = 50;

/// `Err` when the message cannot be read as a whole: nothing of it is done then.
pub(crate) fn orders(request: &bank::FollowOrdersRequest) -> Result<Vec<Order>, Reason> {
    match request.orders.len() {
        0 => return Err(Reason::FieldMissing),
        1..=MOST_ORDERS => {}
        _ => return Err(Reason::TooManyItems),
    }
    let orders: Vec<Order> = request.orders.iter().map(order).collect::<Result<_, _>>()?;
    let instruments: HashSet<Instrument> = orders.iter().map(|order| order.instrument).collect();
    if instruments.len() < orders.len() { Err(Reason::IdTaken) } else { Ok(orders) }
}

fn order(message: &bank::FreezeOrder) -> Result<Order, Reason> {
    use bank::freeze_order::Instrument as Named;
    let instrument = match message.instrument.as_ref().ok_or(Reason::FieldMissing)? {
        Named::AccountId(id) => Instrument::Account(AccountId::parse(id)?),
        Named::CardId(id) => Instrument::Card(CardId::parse(id)?),
    };
    Ok(Order { instrument, order: HolderOrder { number: message.order_number, frozen: message.frozen } })
}

/// The bank's word on each order, under its signature.
pub(crate) fn confirmations(
    keys: &dyn KeyStore,
    bank_id: &BankId,
    followed: &[(Order, Result<HolderFreeze, Reason>)],
) -> Result<bank::FollowOrdersResponse, KeyError> {
    let confirmation = |(order, followed): &(Order, Result<HolderFreeze, Reason>)| {
        let left = match followed {
            Ok(left) => *left,
            Err(reason) => {
                let refusal = Some(proto::refusal(*reason));
                return Ok(bank::FreezeConfirmation { refusal, ..bank::FreezeConfirmation::default() });
            }
        };
        let said = Confirmation { bank_id: bank_id.clone(), instrument: order.instrument, left };
        Ok(bank::FreezeConfirmation {
            order_number: left.order_number,
            frozen: left.frozen,
            effective_at: Some(proto::to_timestamp(left.effective_at)),
            signature: keys.sign(KeyName::FreezeConfirmation, said.statement().as_bytes())?,
            refusal: None,
        })
    };
    Ok(bank::FollowOrdersResponse {
        confirmations: followed.iter().map(confirmation).collect::<Result<_, KeyError>>()?,
        public_key: keys.public_key(KeyName::FreezeConfirmation)?,
    })
}
