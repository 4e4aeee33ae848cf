//! Facts as they are stored with a leg: words `key=value`, after a word that names the form.
//!
//! `front.v1` tells of an account by itself, `front.v2` of a card.

use std::fmt;

use super::{AccountFacts, CardFacts, CreditFacts, DebitFacts, Facts, Nature, PartyFacts};
use crate::card::{CardState, Standing};
use crate::ledger::{AccountKind, AccountStatus, CreditLine};
use crate::words::Words;
use crate::{AccountId, CardId, Currency, Money, Reason};

const OF_AN_ACCOUNT: &str = "front.v1";
const OF_A_CARD: &str = "front.v2";

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nature, amount) = (self.nature.as_str(), self.amount);
        let form = match self.party {
            PartyFacts::Account(..) => OF_AN_ACCOUNT,
            PartyFacts::Card(..) => OF_A_CARD,
        };
        write!(f, "{form} nature={nature} amount_minor={} currency={}", amount.minor, amount.currency)?;
        match &self.party {
            PartyFacts::Account(id, known) => {
                write!(f, " account={id}")?;
                known.as_ref().map_or(Ok(()), |account| write_account(f, account))
            }
            PartyFacts::Card(id, known) => {
                write!(f, " card={id}")?;
                known.as_ref().map_or(Ok(()), |card| write_card(f, card))
            }
        }
    }
}

fn write_account(f: &mut fmt::Formatter<'_>, account: &AccountFacts) -> fmt::Result {
    write!(
        f,
        " kind={} account_currency={} status={} frozen={} payment_limit_minor={} available_minor={}",
        account.kind.as_str(),
        account.currency,
        account.status.as_str(),
        account.frozen,
        account.payment_limit_minor,
        account.available_minor
    )
}

fn write_card(f: &mut fmt::Formatter<'_>, card: &CardFacts) -> fmt::Result {
    let Standing { state, expired, locked, frozen } = card.standing;
    write!(f, " state={} expired={expired} locked={locked} card_frozen={frozen}", state.as_str())?;
    if let Some(debit) = &card.debit {
        write!(f, " debit={}", debit.account_id)?;
        write_account(f, &debit.account)?;
    }
    if let Some(credit) = &card.credit {
        write!(
            f,
            " credit={} credit_currency={} credit_status={} credit_frozen={} credit_payment_limit_minor={} \
             limit_minor={} cash_limit_minor={} owed_minor={} held_minor={} cash_owed_minor={} cash_held_minor={}",
            credit.account_id,
            credit.currency,
            credit.status.as_str(),
            credit.frozen,
            credit.payment_limit_minor,
            credit.line.limit_minor,
            credit.line.cash_limit_minor,
            credit.owed_minor,
            credit.held_minor,
            credit.line.cash_owed_minor,
            credit.line.cash_held_minor
        )?;
    }
    Ok(())
}

impl Facts {
    /// Reads facts as they are stored with a leg.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let (mut words, of_a_card) = match Words::after(OF_A_CARD, text) {
            Ok(words) => (words, true),
            Err(_) => (Words::after(OF_AN_ACCOUNT, text)?, false),
        };
        let nature = words.read("nature", Nature::parse)?;
        let minor = words.number("amount_minor")?;
        let amount = Money::new(words.read("currency", Currency::parse)?, minor);
        let party = if of_a_card {
            PartyFacts::Card(words.read("card", CardId::parse)?, read_card(&mut words)?)
        } else {
            PartyFacts::Account(words.read("account", AccountId::parse)?, read_account(&mut words)?)
        };
        words.end()?;
        Ok(Self { nature, amount, party })
    }
}

fn read_account(words: &mut Words<'_>) -> Result<Option<AccountFacts>, Reason> {
    let Some(kind) = words.take("kind") else { return Ok(None) };
    Ok(Some(AccountFacts {
        kind: AccountKind::parse(kind)?,
        currency: words.read("account_currency", Currency::parse)?,
        status: words.read("status", AccountStatus::parse)?,
        frozen: words.value("frozen")?,
        payment_limit_minor: words.number("payment_limit_minor")?,
        available_minor: words.number("available_minor")?,
    }))
}

fn read_card(words: &mut Words<'_>) -> Result<Option<CardFacts>, Reason> {
    let Some(state) = words.take("state") else { return Ok(None) };
    let standing = Standing {
        state: CardState::parse(state)?,
        expired: words.value("expired")?,
        locked: words.value("locked")?,
        frozen: words.value("card_frozen")?,
    };
    let debit = match words.take("debit") {
        None => None,
        Some(id) => {
            let account_id = AccountId::parse(id)?;
            Some(DebitFacts { account_id, account: read_account(words)?.ok_or(Reason::FieldMissing)? })
        }
    };
    Ok(Some(CardFacts { standing, debit, credit: read_credit(words)? }))
}

fn read_credit(words: &mut Words<'_>) -> Result<Option<CreditFacts>, Reason> {
    let Some(id) = words.take("credit") else { return Ok(None) };
    let account_id = AccountId::parse(id)?;
    let currency = words.read("credit_currency", Currency::parse)?;
    let status = words.read("credit_status", AccountStatus::parse)?;
    let frozen = words.value("credit_frozen")?;
    let payment_limit_minor = words.number("credit_payment_limit_minor")?;
    let (limit_minor, cash_limit_minor) = (words.number("limit_minor")?, words.number("cash_limit_minor")?);
    let (owed_minor, held_minor) = (words.number("owed_minor")?, words.number("held_minor")?);
    let (cash_owed_minor, cash_held_minor) = (words.number("cash_owed_minor")?, words.number("cash_held_minor")?);
    let line = CreditLine { limit_minor, cash_limit_minor, cash_owed_minor, cash_held_minor };
    Ok(Some(CreditFacts { account_id, currency, status, frozen, payment_limit_minor, line, owed_minor, held_minor }))
}
