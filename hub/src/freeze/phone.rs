//! What a person's phone asks for: what is bound and how it stands, to freeze, and to set free.

use std::time::Duration;

use domain::freeze::{Channel, Unfreeze};
use domain::payment::FrozenInstrument;
use domain::{DeviceId, OrderId, PersonId, Reason, TransactionPassword};
use proto::cardholder as pb;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use tonic::Status;

use super::order::{Order, Proof};
use super::sql::{self, Bound};
use super::steps::{Done, Step};
use super::{Freezes, wire};
use crate::store_status::store_status;

/// What is signed begins with this, so that a signature is good for nothing else.
const SIGNED: &str = "bankhub.v1.unfreeze\n";
/// Longer than 50 lines of what is set free.
const LONGEST_TEXT_BYTES: usize = 8 * 1024;
/// Whoever asks waits so long for banks to confirm.
const WAIT_FOR_BANKS: Duration = Duration::from_secs(2);

impl Freezes {
    pub(crate) async fn list_instruments(&self, person_id: PersonId) -> Result<pb::ListInstrumentsResponse, Status> {
        let bound = sql::read_of_person(&self.store, person_id).await.map_err(|error| store_status(&error))?;
        Ok(pb::ListInstrumentsResponse { instruments: wire::instruments(&bound) })
    }

    pub(crate) async fn freeze_instruments(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: &pb::FreezeInstrumentsRequest,
    ) -> Result<pb::FreezeInstrumentsResponse, Status> {
        let order = Order {
            order_id: OrderId::parse(&request.order_id).map_err(proto::status)?,
            person_id,
            frozen: true,
            channel: Channel::App,
            instruments: wire::names(&request.instruments).map_err(proto::status)?,
            proof: Proof::Given,
            by: format!("device/{device_id}"),
        };
        let instruments = wire::instruments(&self.order(order).await?);
        Ok(pb::FreezeInstrumentsResponse { instruments })
    }

    pub(crate) async fn unfreeze_instruments(
        &self,
        person_id: PersonId,
        (device_id, public_key): (DeviceId, Option<Vec<u8>>),
        request: &pb::UnfreezeInstrumentsRequest,
    ) -> Result<pb::UnfreezeInstrumentsResponse, Status> {
        let order = self.signed(person_id, (device_id, public_key), request).map_err(proto::status)?;
        let instruments = wire::instruments(&self.order(order).await?);
        Ok(pb::UnfreezeInstrumentsResponse { instruments })
    }

    /// What was signed, if the phone's key signed it.
    fn signed(
        &self,
        person_id: PersonId,
        (device_id, public_key): (DeviceId, Option<Vec<u8>>),
        request: &pb::UnfreezeInstrumentsRequest,
    ) -> Result<Order, Reason> {
        let password = TransactionPassword::parse(&request.transaction_password)?;
        let key = public_key.ok_or(Reason::DeviceRefused)?;
        if request.text.len() > LONGEST_TEXT_BYTES {
            return Err(Reason::TooManyItems);
        }
        let message = format!("{SIGNED}{device_id}\n{}", request.text);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
            .verify(message.as_bytes(), &request.signature)
            .map_err(|_| Reason::SignatureRefused)?;
        let Unfreeze { order_id, instruments, .. } = Unfreeze::parse(&request.text, self.clock.now())?;
        Ok(Order {
            order_id,
            person_id,
            frozen: false,
            channel: Channel::App,
            instruments,
            proof: Proof::Password(password),
            by: format!("device/{device_id}"),
        })
    }

    /// Takes an order in, has banks told, waits a little for them, and gives what the order is about as it stands then.
    pub(super) async fn order(&self, order: Order) -> Result<Vec<Bound>, Status> {
        let person_id = order.person_id;
        let outcome = self.writer.write(Step::Order(order)).await.map_err(|error| store_status(&error))?;
        let Done::Ordered(asked, tellings) = outcome.done.map_err(proto::status)? else {
            return Err(proto::status(Reason::Fault));
        };
        if tellings.is_empty() {
            return Ok(asked);
        }
        // A task of its own: the banks are told also when whoever asked has gone.
        let this = self.clone();
        let telling = tokio::spawn(async move { this.tell(tellings).await });
        if let Ok(Ok(Err(error))) = tokio::time::timeout(WAIT_FOR_BANKS, telling).await {
            tracing::warn!(%error, "what banks have confirmed could not be stored; they are told again");
        }
        let names: Vec<FrozenInstrument> = asked.into_iter().map(|bound| bound.name).collect();
        let bound = sql::read_of_person(&self.store, person_id).await.map_err(|error| store_status(&error))?;
        Ok(bound.into_iter().filter(|bound| names.contains(&bound.name)).collect())
    }
}
