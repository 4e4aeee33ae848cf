//! Banks of the federation: RegisterBank, ListBanks.

use domain::text::Line;
use domain::{BankId, Reason};
use proto::operator as pb;
use server_kit::store::{StoreError, Tx};
use tonic::codegen::http::Uri;
use uuid::Uuid;

use super::changes::{Done, Log};
use super::{BankEntry, sql};
use crate::network::issuer::SCHEME;

/// Adds a bank, or moves one that is known to another endpoint.
#[derive(Debug)]
pub(super) struct RegisterBank {
    pub(super) bank: BankEntry,
}

impl RegisterBank {
    pub(super) fn read(request: pb::RegisterBankRequest) -> Result<Self, Reason> {
        let bank = request.bank.ok_or(Reason::FieldMissing)?;
        let bank = BankEntry {
            bank_id: BankId::parse(&bank.bank_id)?,
            display_name: Line::parse(&bank.display_name)?,
            endpoint: endpoint(&bank.endpoint)?,
            suspended: bank.suspended,
        };
        Ok(Self { bank })
    }

    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let bank = &self.bank;
        let version = match sql::load_bank(tx, &bank.bank_id).await? {
            Some(known) if known.value == *bank => return Ok(Ok(Done::Bank(known.value))),
            Some(known) if known.value.display_name != bank.display_name => return Ok(Err(Reason::NameTaken)),
            Some(known) => known.version + 1,
            None => 1,
        };
        sql::put_bank(tx, bank, version).await?;
        let content = format!("bank={} endpoint={} suspended={}", bank.bank_id, bank.endpoint, bank.suspended);
        log.add(if version == 1 { "BANK_REGISTERED" } else { "BANK_CHANGED" }, Uuid::nil(), &content);
        Ok(Ok(Done::Bank(bank.clone())))
    }
}

/// `https://host:port` and nothing else: no path, no user, no default port that two sides may understand differently.
///
/// A bank without an adapter has the line to a card network in its place, `iso8583://<line>`, by the name that it has in the hub's
/// configuration.
fn endpoint(text: &str) -> Result<String, Reason> {
    if let Some(line) = text.strip_prefix(SCHEME) {
        let is_slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fine = (1..=32).contains(&line.len()) && line.bytes().all(is_slug);
        return if fine { Ok(text.to_owned()) } else { Err(Reason::EndpointMalformed) };
    }
    let uri: Uri = text.parse().map_err(|_| Reason::EndpointMalformed)?;
    let fine = text.len() <= 255
        && text.starts_with("https://")
        && uri.host().is_some_and(|host| !host.is_empty() && !host.starts_with('*'))
        && uri.port_u16().is_some_and(|port| port != 0)
        && uri.authority().is_some_and(|authority| text.len() == "https://".len() + authority.as_str().len())
        && !text.contains('@');
    if fine { Ok(text.to_owned()) } else { Err(Reason::EndpointMalformed) }
}

pub(super) fn to_pb(bank: &BankEntry) -> pb::Bank {
    pb::Bank {
        bank_id: bank.bank_id.to_string(),
        display_name: bank.display_name.to_string(),
        endpoint: bank.endpoint.clone(),
        suspended: bank.suspended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_https_with_host_and_port_and_nothing_else() {
        for good in ["iso8583://cup", "https://bank-a.example:8443", "https://127.0.0.1:1", "https://[::1]:8443"] {
            assert_eq!(endpoint(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "iso8583://",
            "iso8583://Cup",
            "iso8583://host:8583",
            "iso8583:cup",
            "bank-a.example:8443",
            "http://bank-a.example:8443",
            "https://bank-a.example",
            "https://bank-a.example:0",
            "https://bank-a.example:65536",
            "https://:8443",
            "https://bank-a.example:8443/",
            "https://bank-a.example:8443/path",
            "https://bank-a.example:8443?query",
            "https://user@bank-a.example:8443",
            "https://bank a.example:8443",
            "https://bank-a.example:8443\n",
        ] {
            assert_eq!(endpoint(bad), Err(Reason::EndpointMalformed), "{bad:?}");
        }
    }
}
