//! The client of the citizen-identity service.

use std::time::Duration;

use domain::sign_up::{CitizenNumber, PersonName};
use domain::{AccountId, Reason};
use proto::identity as pb;
use proto::identity::citizen_identity_service_client::CitizenIdentityServiceClient;
use server_kit::identity::{Principal, Role};
use server_kit::tls::{ChannelOptions, ClientTls, ServerIdentity};
use tonic::Request;
use tonic::transport::Channel;

use super::{IdentityConfig, Said};
use crate::run::RunError;

/// The pause before the second try; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks who people are. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Citizens {
    client: CitizenIdentityServiceClient<Channel>,
    timeout: Duration,
    tries: u32,
}

impl Citizens {
    /// The connection is made with the first question. No other server is taken than the one that is named.
    pub(crate) fn new(config: &IdentityConfig, tls: &ClientTls) -> Result<Self, RunError> {
        let expected = Principal::member(tls.federation(), Role::Identity, &config.name)?;
        let channel = tls.channel(&config.endpoint, ServerIdentity::Spiffe(expected), &ChannelOptions::default())?;
        let client = CitizenIdentityServiceClient::new(channel).max_decoding_message_size(proto::MAX_MESSAGE_BYTES);
        Ok(Self { client, timeout: config.timeout.get(), tries: config.tries.get() })
    }

    /// Whether name and number belong to one person, asked a few times. `Err(IdentityAway)`.
    pub(crate) async fn verify(
        &self,
        query: AccountId,
        name: &PersonName,
        citizen: &CitizenNumber,
    ) -> Result<Said, Reason> {
        let message = pb::VerifyCitizenRequest {
            query_id: query.to_string(),
            name: name.as_str().to_owned(),
            citizen_number: citizen.reveal().to_owned(),
            purpose: pb::VerificationPurpose::AccountOpening.into(),
        };
        for n in 0..self.tries {
            if n > 0 {
                tokio::time::sleep(PAUSE.saturating_mul(1_u32.checked_shl(n.min(8)).unwrap_or(1))).await;
            }
            if let Some(said) = self.ask(message.clone()).await {
                return Ok(said);
            }
        }
        Err(Reason::IdentityAway)
    }

    async fn ask(&self, message: pb::VerifyCitizenRequest) -> Option<Said> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(self.timeout, client.verify_citizen(request)).await;
        let said = match &answer {
            Ok(Ok(answer)) => match answer.get_ref().r#match() {
                pb::CitizenMatch::Match => Some(Said::Match),
                pb::CitizenMatch::Mismatch => Some(Said::Mismatch),
                pb::CitizenMatch::Unknown => Some(Said::Unknown),
                pb::CitizenMatch::Unspecified => None,
            },
            _ => None,
        };
        if said.is_none() {
            let code = answer.ok().and_then(Result::err).map(|status| status.code());
            tracing::warn!(?code, "the citizen-identity service gave no answer");
        }
        metrics::counter!("bankhub_identity_answers_total", "answer" => said.map_or("NONE", Said::as_str)).increment(1);
        said
    }
}
