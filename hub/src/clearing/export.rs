//! Files of a day that is over.

use domain::clearing::{Debt, Outcome, Reference, Status, Transfer};
use domain::{BankId, Currency, Reason};
use jiff::civil::Date;
use proto::operator as pb;
use proto::operator::ClearingFileKind as Kind;
use server_kit::store::StoreError;

use super::books::{self, Day, Pair, Part};
use super::pacs002::StatusFile;
use super::pacs008::{MOST_TRANSFERS, TransferFile};
use super::statement::Statement;
use super::{Clearing, PIECE, pacs002, pacs008, short_hash, statement};
use crate::network;
use crate::zone::read_day;

/// What is asked for, read.
#[derive(Clone, Debug)]
struct Asked {
    kind: Kind,
    date: Date,
    of: Of,
    part: usize,
}

/// Whose file it is.
#[derive(Clone, Debug)]
enum Of {
    Pair(Pair),
    Bank(BankId, Currency),
    Link(String),
}

impl Asked {
    fn read(request: &pb::ExportClearingFileRequest) -> Result<Self, Reason> {
        let kind = Kind::try_from(request.kind).map_err(|_| Reason::FieldUnknown)?;
        let bank = |id: &str| BankId::parse(id);
        let currency = || Currency::parse(&request.currency_code);
        let of = match kind {
            Kind::Unspecified => return Err(Reason::FieldUnknown),
            Kind::CreditTransfers | Kind::Refusals => Of::Pair(Pair {
                debtor: bank(&request.debtor_bank_id)?.to_string(),
                creditor: bank(&request.creditor_bank_id)?.to_string(),
                currency: currency()?,
            }),
            Kind::Statement => Of::Bank(bank(&request.debtor_bank_id)?, currency()?),
            Kind::LinkMessages => Of::Link(BankId::parse(&request.link)?.to_string()),
        };
        let part = usize::try_from(request.part).map_err(|_| Reason::FieldUnknown)?;
        Ok(Self { kind, date: read_day(&request.day)?, of, part })
    }

    /// For the log, which names banks and no people.
    fn words(&self, by: &str) -> String {
        let of = match &self.of {
            Of::Pair(pair) => format!("debtor={} creditor={} currency={}", pair.debtor, pair.creditor, pair.currency),
            Of::Bank(bank, currency) => format!("bank={bank} currency={currency}"),
            Of::Link(link) => format!("link={link}"),
        };
        let kind = self.kind.as_str_name().trim_start_matches("CLEARING_FILE_KIND_");
        format!("kind={kind} day={} {of} part={} by={by}", self.date, self.part)
    }
}

/// The id of a file: the same file has the same one, so that whoever gets it twice knows it again. The names of banks have no room in 35
/// characters, so they go in as a hash of 64 bits.
fn message_id(kind: &str, asked: &Asked, of: &[&str]) -> Result<Reference, Reason> {
    let short = short_hash(&of.join("\n"));
    Reference::parse(&format!("{kind}{}{short}{:04}", asked.date.strftime("%Y%m%d"), asked.part))
}

impl Clearing {
    /// What banks owe each other for a day, and whether that is all of it.
    pub(crate) async fn debts(&self, day: &str) -> Result<Result<(Vec<Debt>, bool), Reason>, StoreError> {
        let day = match read_day(day).and_then(|date| self.day(date)) {
            Ok(day) => day,
            Err(reason) => return Ok(Err(reason)),
        };
        let debts = books::debts(&self.parts.store, day).await?;
        let closed = self.is_past(day) && books::is_decided(&self.parts.store, day).await?;
        Ok(Ok((debts, closed)))
    }

    /// A file in pieces. The log has it before it is given out.
    pub(crate) async fn export(
        &self,
        request: &pb::ExportClearingFileRequest,
        by: &str,
    ) -> Result<Result<Vec<Vec<u8>>, Reason>, StoreError> {
        let asked = match Asked::read(request) {
            Ok(asked) => asked,
            Err(reason) => return Ok(Err(reason)),
        };
        let file = match self.file(&asked).await? {
            Ok(file) => file,
            Err(reason) => return Ok(Err(reason)),
        };
        self.note("CLEARING_FILE_EXPORTED", asked.words(by)).await?;
        Ok(Ok(file.chunks(PIECE).map(<[u8]>::to_vec).collect()))
    }

    async fn file(&self, asked: &Asked) -> Result<Result<Vec<u8>, Reason>, StoreError> {
        if let Of::Link(link) = &asked.of {
            return self.link_file(asked, link).await;
        }
        let day = match self.day(asked.date) {
            Ok(day) => day,
            Err(reason) => return Ok(Err(reason)),
        };
        if !self.is_past(day) || !books::is_decided(&self.parts.store, day).await? {
            return Ok(Err(Reason::ClearingDayOpen));
        }
        let part = Part { after: asked.part.saturating_mul(MOST_TRANSFERS), most: MOST_TRANSFERS };
        let store = &self.parts.store;
        match (&asked.of, asked.kind) {
            (Of::Pair(pair), Kind::Refusals) => {
                let refused = books::refused(store, (day, pair), part).await?;
                Ok(self.refusals(asked, pair, refused))
            }
            (Of::Pair(pair), _) => {
                let transfers = books::between(store, (day, pair), part).await?;
                Ok(transfers.and_then(|transfers| self.transfers(asked, pair, self.with_bics(transfers))))
            }
            (Of::Bank(bank, currency), _) => {
                let transfers = books::of_bank(store, (day, bank.as_str(), *currency), part).await?;
                Ok(transfers.and_then(|transfers| self.statement((asked, day), (bank, *currency), &transfers)))
            }
            (Of::Link(_), _) => Ok(Err(Reason::FieldUnknown)),
        }
    }

    fn transfers(&self, asked: &Asked, pair: &Pair, transfers: Vec<Transfer>) -> Result<Vec<u8>, Reason> {
        let first = transfers.first().ok_or(Reason::ClearingFileEmpty)?;
        let file = TransferFile {
            message: message_id("CT", asked, &[&pair.debtor, &pair.creditor, pair.currency.code()])?,
            created_at: self.parts.clock.now(),
            instructing: Some(first.debtor_agent.clone()),
            instructed: Some(first.creditor_agent.clone()),
            transfers,
        };
        pacs008::write(&file)
    }

    fn refusals(&self, asked: &Asked, pair: &Pair, refused: Vec<(Reference, Reason)>) -> Result<Vec<u8>, Reason> {
        if refused.is_empty() {
            return Err(Reason::ClearingFileEmpty);
        }
        let status = |(id, reason): (Reference, Reason)| Status {
            end_to_end: Some(id.clone()),
            transaction: Some(id),
            outcome: Outcome::refused(reason),
        };
        let file = StatusFile {
            message: message_id("RJ", asked, &[&pair.debtor, &pair.creditor, pair.currency.code()])?,
            created_at: self.parts.clock.now(),
            original: None,
            statuses: refused.into_iter().map(status).collect(),
        };
        Ok(pacs002::write(&file))
    }

    fn statement(
        &self,
        (asked, day): (&Asked, Day),
        (bank, currency): (&BankId, Currency),
        transfers: &[Transfer],
    ) -> Result<Vec<u8>, Reason> {
        // A statement has a balance at its end, so it is whole or there is none.
        if transfers.len() >= MOST_TRANSFERS || asked.part > 0 {
            return Err(Reason::TooManyItems);
        }
        if transfers.is_empty() {
            return Err(Reason::ClearingFileEmpty);
        }
        let message = message_id("ST", asked, &[bank.as_str(), currency.code()])?;
        let (bank, created_at) = (domain::clearing::Agent::member(bank.as_str())?, self.parts.clock.now());
        let date = day.date;
        statement::write(&Statement { message, created_at, bank, currency, date, transfers })
    }

    /// The messages of a link; the day is over when the link is on another one, or by the clock if it was never cut over.
    async fn link_file(&self, asked: &Asked, link: &str) -> Result<Result<Vec<u8>, Reason>, StoreError> {
        let Some(dialect) = self.parts.dialects.get(link).copied() else {
            return Ok(Err(Reason::ClearingFileEmpty));
        };
        let is_over = match network::day_of_link(&self.parts.store, link).await? {
            Some(current) => current > asked.date,
            None => match self.day(asked.date) {
                Ok(day) => self.is_past(day),
                Err(reason) => return Ok(Err(reason)),
            },
        };
        if !is_over {
            return Ok(Err(Reason::ClearingDayOpen));
        }
        let id = match message_id("LM", asked, &[link]) {
            Ok(id) => id,
            Err(reason) => return Ok(Err(reason)),
        };
        let part = (asked.part.saturating_mul(MOST_TRANSFERS), MOST_TRANSFERS);
        let parts = &self.parts;
        let from = (&parts.store, &*parts.keys);
        network::day_file(from, (link, dialect), asked.date, (id.as_str(), part, parts.clock.now())).await
    }
}
