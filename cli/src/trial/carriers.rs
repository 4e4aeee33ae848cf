//! Mobile carriers of a trial federation, and who its banks ask about people.

use std::net::SocketAddr;

use domain::{BankId, CarrierId};
use server_kit::config::SecretRef;
use server_kit::identity::Role;
use server_kit::tls::ServerTlsConfig;

use super::{Federation, TrialError, TrialOptions, bank_id};
use crate::carrier::Carrier;
use crate::identity_simulator::{Simulator, SimulatorConfig};
use crate::init::{Authority, carrier_toml};
use crate::profile::Link;

/// The simulator's name in its certificate.
pub(super) const IDENTITY: &str = "citizens";

pub(super) async fn simulator(authority: &Authority, options: &TrialOptions) -> Result<Simulator, TrialError> {
    let folder = options.folder.join("identity");
    let member = authority.member(Role::Identity, IDENTITY, &folder, &["localhost", "127.0.0.1"])?;
    let config = SimulatorConfig {
        federation: options.federation.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: ServerTlsConfig {
            certificate: member.certificate(),
            key: SecretRef::File(member.key()),
            client_ca: member.authority(),
            revocation: None,
        },
        otherwise: options.identity.otherwise,
        rules: options.identity.rules.clone(),
    };
    Ok(Simulator::start(&config).await?)
}

impl Federation {
    /// Who the banks ask about people.
    pub fn identity(&self) -> &Simulator {
        &self.identity
    }

    /// Registers a carrier that signs people up at these banks, and gives its back end, with `carrier.toml` in its folder.
    pub async fn carrier(&self, id: &str, banks: &[&str]) -> Result<Carrier, TrialError> {
        let carrier_id = CarrierId::parse(id).map_err(|reason| TrialError::Name { name: id.to_owned(), reason })?;
        let banks = banks.iter().map(|bank| bank_id(bank)).collect::<Result<Vec<BankId>, TrialError>>()?;
        self.operator()?.register_carrier(&carrier_id, &format!("{} Mobile", id.to_uppercase()), &banks).await?;
        self.unregistered_carrier(id)
    }

    /// The back end of a carrier that has a certificate, registered or not.
    pub fn unregistered_carrier(&self, id: &str) -> Result<Carrier, TrialError> {
        let member = self.member(Role::Carrier, id)?;
        let endpoint = self.hub_endpoint()?;
        member.write("carrier.toml", &carrier_toml(&member, &endpoint))?;
        Ok(Carrier::over(Link::new(self.name(), &Self::client_tls(&member))?.hub(&endpoint)?))
    }
}
