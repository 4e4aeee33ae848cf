//! Cards of debit and credit, issued as a bank's counter does it.

use std::fmt;

use domain::card::Pan;
use domain::{AccountId, CardId, Currency, Reason};
use secrecy::SecretString;

use super::{Federation, TrialError, bank_id};
use crate::init::InitError;
use crate::operator::{NewCreditAccount, PinTyped};

/// The day of the month on which statements are closed, where nobody says another one.
const USUAL_CLOSE_DAY: u8 = 5;

/// A card to issue over a deposit account that is there and a credit account that is opened for it.
#[derive(Clone, Debug)]
pub struct NewCard<'a> {
    pub holder: &'a str,
    pub bank: &'a str,
    /// The first digits of its number.
    pub bin: &'a str,
    pub debit: AccountId,
    /// The most that may be owed, and how much of it as cash, in minor units of the yuan.
    pub limit_minor: i64,
    pub cash_limit_minor: i64,
    /// The terminal on whose PIN pad the PIN is typed.
    pub pad: &'a str,
    pub pin: &'a str,
}

/// A card that is active and has its PIN, with what is printed and encoded on it.
#[derive(Clone)]
pub struct IssuedCard {
    pub id: CardId,
    pub masked: String,
    pub debit: AccountId,
    pub credit: AccountId,
    pub pan: Pan,
    /// YYMM.
    pub expiry: String,
    pub cvv2: SecretString,
    pub track2: SecretString,
}

impl fmt::Debug for IssuedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedCard({})", self.masked)
    }
}

fn read<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, Reason>) -> Result<T, TrialError> {
    parse(text).map_err(|reason| TrialError::Name { name: text.to_owned(), reason })
}

impl Federation {
    /// Opens the credit account, which the deposit account repays, issues the card, activates it and sets its PIN.
    pub async fn issue_card(&self, new: &NewCard<'_>) -> Result<IssuedCard, TrialError> {
        self.issue_card_closing(new, USUAL_CLOSE_DAY).await
    }

    /// The same, whose statements are closed on this day of the month.
    pub async fn issue_card_closing(&self, new: &NewCard<'_>, close_day: u8) -> Result<IssuedCard, TrialError> {
        let counter = self.operator()?.counter(&bank_id(new.bank)?).await?;
        let account = NewCreditAccount {
            holder: new.holder.to_owned(),
            currency: Currency::CNY,
            limit_minor: new.limit_minor,
            cash_limit_minor: new.cash_limit_minor,
            close_day,
            repay_from: Some(new.debit),
        };
        let credit = read(&counter.open_credit_account(&account).await?.account_id, AccountId::parse)?;
        let (card, face) = counter.issue_card(new.bin, Some(new.debit), Some(credit)).await?;
        let (id, pan) = (read(&card.card_id, CardId::parse)?, Pan::parse(&face.pan));
        let pan = pan.map_err(|reason| TrialError::Name { name: card.card_masked.clone(), reason })?;
        counter.activate_card(id).await?;
        let pin = self.pad(new.pad)?.block(&pan, &SecretString::from(new.pin)).map_err(InitError::from)?;
        counter.set_pin(id, PinTyped { pad: new.pad.to_owned(), new: pin, current: None }).await?;
        Ok(IssuedCard {
            id,
            masked: card.card_masked,
            debit: new.debit,
            credit,
            pan,
            expiry: face.expiry,
            cvv2: SecretString::from(face.cvv2),
            track2: SecretString::from(face.track2),
        })
    }
}
