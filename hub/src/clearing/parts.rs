//! The parts that the messages have in common, written and read.

use domain::clearing::{Account, Agent, Bic, Name, Party, Reference};
use domain::{Reason, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::xml::Xml;
use crate::zone::read_day;

/// What a party is called whom the file may not name (EPC, Implementation Guidelines of SEPA: a name that is not there).
pub(super) const NO_NAME: &str = "NOTPROVIDED";

pub(super) fn write_agent(xml: &mut Xml, name: &str, agent: &Agent) {
    xml.within(name, |xml| {
        xml.within("FinInstnId", |xml| {
            if let Some(bic) = &agent.bic {
                xml.text("BICFI", bic.as_str());
            }
            if let Some(member) = &agent.member {
                xml.within("ClrSysMmbId", |xml| xml.text("MmbId", member.as_str()));
            }
        });
    });
}

pub(super) fn write_name(xml: &mut Xml, name: &str, party: &Party) {
    xml.within(name, |xml| xml.text("Nm", party.name.as_ref().map_or(NO_NAME, Name::as_str)));
}

pub(super) fn write_account(xml: &mut Xml, name: &str, party: &Party) {
    if let Some(account) = &party.account {
        xml.within(name, |xml| xml.within("Id", |xml| xml.within("Othr", |xml| xml.text("Id", account.as_str()))));
    }
}

/// `ISODateTime`; one that names no zone is taken for UTC.
pub(super) fn time_of(text: &str) -> Result<Timestamp, Reason> {
    let text = text.trim();
    let at = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            let civil: DateTime = text.parse().map_err(|_| Reason::TimeOutOfRange)?;
            TimeZone::UTC.to_timestamp(civil).map_err(|_| Reason::TimeOutOfRange)?
        }
    };
    Ok(Timestamp::from_micros(at.as_microsecond()))
}

/// `ISODate` without a zone.
pub(super) fn day_of(text: &str) -> Result<Date, Reason> {
    read_day(text.trim())
}

/// Puts what an element says where it belongs, once.
pub(super) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Reason> {
    if place.replace(value).is_some() { Err(Reason::FileMalformed) } else { Ok(()) }
}

/// An agent as it is read.
#[derive(Debug, Default)]
pub(super) struct AgentDraft {
    bic: Option<Bic>,
    member: Option<Reference>,
}

impl AgentDraft {
    /// Takes what stands at a path behind the agent's element.
    pub(super) fn take(&mut self, path: &str, text: &str) -> Result<(), Reason> {
        match path {
            "FinInstnId/BICFI" => once(&mut self.bic, Bic::parse(text)?),
            "FinInstnId/ClrSysMmbId/MmbId" => once(&mut self.member, Reference::parse(text)?),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Result<Agent, Reason> {
        Agent::new(self.bic, self.member)
    }

    /// None where neither is said.
    pub(super) fn finish_optional(self) -> Option<Agent> {
        self.finish().ok()
    }
}

/// A party as it is read.
#[derive(Debug, Default)]
pub(super) struct PartyDraft {
    name: Option<Name>,
    account: Option<Account>,
}

impl PartyDraft {
    pub(super) fn take_name(&mut self, path: &str, text: &str) -> Result<(), Reason> {
        if path == "Nm" { once(&mut self.name, Name::parse(text)?) } else { Ok(()) }
    }

    pub(super) fn take_account(&mut self, path: &str, text: &str) -> Result<(), Reason> {
        match path {
            "Id/IBAN" | "Id/Othr/Id" => once(&mut self.account, Account::parse(text)?),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Party {
        Party { name: self.name.filter(|name| name.as_str() != NO_NAME), account: self.account }
    }
}
