//! What operators of the hub call: they freeze what somebody has reported as lost, and set nothing free.

use domain::freeze::{Channel, MOST_INSTRUMENTS, Seen};
use domain::payment::{FrozenInstrument, Instrument};
use domain::text::Line;
use domain::{AccountId, BankId, CardId, OrderId, PersonId, Reason};
use proto::operator as pb;
use tonic::Status;

use super::Freezes;
use super::order::{Order, Proof};
use super::sql::{self, Bound};
use crate::store_status::store_status;

impl Freezes {
    pub(crate) async fn freeze_lost(
        &self,
        operator: &str,
        request: &pb::FreezeInstrumentsRequest,
    ) -> Result<pb::FreezeInstrumentsResponse, Status> {
        let order = read(operator, request).map_err(proto::status)?;
        let is_there = sql::is_person(&self.store, order.person_id).await.map_err(|error| store_status(&error))?;
        if !is_there {
            return Err(proto::status(Reason::PersonUnknown));
        }
        let bound = self.order(order).await?;
        Ok(pb::FreezeInstrumentsResponse { instruments: bound.iter().map(instrument).collect() })
    }
}

/// `Err` with `IdMalformed`, `TextMalformed`, `TooManyItems`, `FieldMissing` or `NameMalformed`.
fn read(operator: &str, request: &pb::FreezeInstrumentsRequest) -> Result<Order, Reason> {
    if request.instruments.len() > MOST_INSTRUMENTS {
        return Err(Reason::TooManyItems);
    }
    let why = Line::parse(&request.why)?;
    Ok(Order {
        order_id: OrderId::parse(&request.order_id)?,
        person_id: PersonId::parse(&request.person_id)?,
        frozen: true,
        channel: Channel::Operator,
        instruments: request.instruments.iter().map(name).collect::<Result<_, _>>()?,
        proof: Proof::Given,
        by: format!("operator/{operator} why={why}"),
    })
}

fn name(message: &pb::FrozenInstrument) -> Result<FrozenInstrument, Reason> {
    use pb::frozen_instrument::Instrument as Named;
    let instrument = match message.instrument.as_ref().ok_or(Reason::FieldMissing)? {
        Named::AccountId(id) => Instrument::Account(AccountId::parse(id)?),
        Named::CardId(id) => Instrument::Card(CardId::parse(id)?),
    };
    Ok(FrozenInstrument { bank_id: BankId::parse(&message.bank_id)?, instrument })
}

fn instrument(bound: &Bound) -> pb::FrozenInstrument {
    use pb::frozen_instrument::Instrument as Named;
    let since = match bound.kept.as_ref().map(|kept| kept.freezing.seen()) {
        Some(Seen::Frozen(left)) => Some(proto::to_timestamp(left.effective_at)),
        _ => None,
    };
    pb::FrozenInstrument {
        bank_id: bound.name.bank_id.to_string(),
        instrument: Some(match bound.name.instrument {
            Instrument::Account(id) => Named::AccountId(id.to_string()),
            Instrument::Card(id) => Named::CardId(id.to_string()),
        }),
        masked: bound.masked.clone(),
        frozen_since: since,
    }
}
