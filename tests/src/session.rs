//! The calls that no client of ours has: a phone's session by hand, and a bank's calls to the hub.

use bankhub::phone::Phone;
use proto::cardholder::cardholder_service_client::CardholderServiceClient;
use proto::cardholder::{BeginSessionRequest, OpenSessionRequest};
use proto::federation::federation_service_client::FederationServiceClient;
use server_kit::identity::Role;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::payer::Payer;
use crate::till::{passes_later, within};
use crate::wait::until;
use crate::world::World;

/// A phone that is signed in, for any call of the contract.
#[derive(Clone, Debug)]
pub struct Session {
    pub hub: CardholderServiceClient<Channel>,
    token: String,
}

impl World {
    /// A session of the payer's phone, beside the one that its client has.
    pub async fn session(&self, payer: &Payer) -> Session {
        let hub = CardholderServiceClient::new(self.federation.phone_channel().unwrap());
        Session::open(hub, &payer.person.device).await
    }

    /// The hub as a bank calls it.
    pub fn hub_as_bank(&self, bank: &str) -> FederationServiceClient<Channel> {
        FederationServiceClient::new(self.hub_channel(&self.member(Role::Bank, bank)))
    }
}

impl Session {
    async fn open(mut hub: CardholderServiceClient<Channel>, phone: &Phone) -> Self {
        let device_id = phone.device_id().to_string();
        let begun = hub.begin_session(BeginSessionRequest { device_id: device_id.clone() }).await.unwrap().into_inner();
        let message = [format!("bankhub.v1.session\n{device_id}\n").as_bytes(), &begun.nonce].concat();
        let signature = phone.key().sign(&message).unwrap();
        let opened = hub.open_session(OpenSessionRequest { device_id, nonce: begun.nonce, signature }).await;
        Self { hub, token: opened.unwrap().into_inner().token }
    }

    /// What proves who calls.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The message with the session's token.
    pub fn signed_in<T>(&self, message: T) -> Request<T> {
        let bearer: MetadataValue<Ascii> = format!("Bearer {}", self.token).parse().unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", bearer);
        request
    }
}

/// Makes the same call until the hub is there to answer it.
pub async fn answered<T>(mut call: impl AsyncFnMut() -> Result<Response<T>, Status>) -> Result<T, Status> {
    let ask = async || match within(call()).await {
        Err(status) if passes_later(&status) => None,
        answer => Some(answer),
    };
    until("the hub to answer", World::HEALING, ask).await
}
