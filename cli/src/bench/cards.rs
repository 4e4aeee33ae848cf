//! Cards over the payers' accounts and a line of credit each, and purchases with them: one call with track 2 and the PIN block of the
//! till's pad.

use std::sync::Arc;
use std::time::Duration;

use bank_adapter::hsm::HsmError;
use domain::card::Pan;
use domain::{AccountId, CardId, Currency, Reason};
use proto::common::{Money, Nature};
use proto::terminal as pb;
use proto::terminal::terminal_service_client::TerminalServiceClient;
use secrecy::SecretString;
use server_kit::clock::Stopwatch;
use tonic::Status;

use super::payments::Payer;
use crate::operator::{Counter, NewCreditAccount, Operator, OperatorError, PinTyped};
use crate::terminal::{Card, Pad};
use crate::trial::{Federation, TrialError, bank_id};

/// The banks, and the first digits of their cards.
pub const BANKS: [(&str, &str); 2] = [("bank-a", "62284800"), ("bank-b", "62284801")];

const PIN: &str = "246810";
/// More than anybody spends while it is measured, so that no purchase overflows into the debit account.
const LIMIT_MINOR: i64 = 100_000_000_000;
/// How long the hub may take to learn which bank's cards begin how, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// Why cards could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CardsError {
    #[error(transparent)]
    Trial(#[from] TrialError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error("the PIN pad: {0}")]
    Pad(#[from] HsmError),
    #[error("the bank's answer: {0:?}")]
    Answer(Reason),
    #[error("a payer has no card")]
    NoCard,
    #[error("{}: {}", .0.code(), .0.message())]
    Call(Box<Status>),
}

/// A card, and the pad at which its PIN is typed.
#[derive(Clone, Debug)]
pub struct Wallet {
    pad: Arc<Pad>,
    pan: Pan,
    track2: SecretString,
}

/// The name of the n-th terminal, which has a PIN pad.
pub fn till(n: usize) -> String {
    format!("till-{n}")
}

/// Gives every payer a card over their account and a line of credit, bound to their phone, which goes on paying with the account;
/// waits until the hub knows where the cards belong. The payers have been given out to so many tills in turn.
pub async fn issue(federation: &Federation, payers: &mut [Payer], tills: usize) -> Result<(), CardsError> {
    let operator = federation.operator()?;
    let pads = (1..=tills)
        .map(|n| Ok((till(n), Arc::new(federation.pad(&till(n))?))))
        .collect::<Result<Vec<_>, TrialError>>()?;
    for (bank, bin) in BANKS {
        let counter = operator.counter(&bank_id(bank)?).await?;
        for (payer, (till, pad)) in payers.iter_mut().zip(pads.iter().cycle()) {
            if payer.holder.account.bank_id.as_str() == bank {
                payer.card = Some(issue_one(&operator, &counter, bin, payer, (till, pad)).await?);
            }
        }
        let first = payers.iter().find(|payer| payer.holder.account.bank_id.as_str() == bank);
        if let Some(payer) = first {
            wait_until_known(payer).await?;
        }
    }
    Ok(())
}

async fn issue_one(
    operator: &Operator,
    counter: &Counter,
    bin: &str,
    payer: &Payer,
    (till, pad): (&str, &Arc<Pad>),
) -> Result<Wallet, CardsError> {
    let account = &payer.holder.account;
    let line = NewCreditAccount {
        holder: "Wang Xiaoming".to_owned(),
        currency: Currency::CNY,
        limit_minor: LIMIT_MINOR,
        cash_limit_minor: 0,
        close_day: 5,
        repay_from: Some(account.account_id),
    };
    let credit = counter.open_credit_account(&line).await?;
    let credit = AccountId::parse(&credit.account_id).map_err(CardsError::Answer)?;
    let (card, face) = counter.issue_card(bin, Some(account.account_id), Some(credit)).await?;
    let card = CardId::parse(&card.card_id).map_err(CardsError::Answer)?;
    counter.activate_card(card).await?;
    let pan = Pan::parse(&face.pan).map_err(CardsError::Answer)?;
    let new = pad.block(&pan, &SecretString::from(PIN))?;
    counter.set_pin(card, PinTyped { pad: till.to_owned(), new, current: None }).await?;
    operator.bind_card(payer.holder.person_id, &account.bank_id, card, false).await?;
    Ok(Wallet { pad: pad.clone(), pan, track2: SecretString::from(face.track2) })
}

/// A bank tells the hub the first digits of its cards when it comes to it. An inquiry changes nothing.
async fn wait_until_known(payer: &Payer) -> Result<(), CardsError> {
    let watch = Stopwatch::start();
    let mut terminal = TerminalServiceClient::new(payer.terminal.clone());
    loop {
        let card = payer.card.as_ref().ok_or(CardsError::NoCard)?.presented()?.to_wire();
        match terminal.inquire_balance(pb::InquireBalanceRequest { card: Some(card) }).await {
            Ok(_) => return Ok(()),
            Err(status) if proto::reason_of(&status) == Some(Reason::BinUnknown) && watch.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(status) => return Err(CardsError::Call(Box::new(status))),
        }
    }
}

impl Wallet {
    /// The card as it is read, with a PIN block of its own, as a pad makes one each time.
    fn presented(&self) -> Result<Card, CardsError> {
        let block = self.pad.block(&self.pan, &SecretString::from(PIN))?;
        Ok(Card::by_track(&self.track2).with_pin(block))
    }

    /// A purchase with the card.
    pub fn purchase(&self, payment_id: &str, amount: Money) -> Result<pb::CreateCardPaymentRequest, CardsError> {
        Ok(pb::CreateCardPaymentRequest {
            payment_id: payment_id.to_owned(),
            card: Some(self.presented()?.to_wire()),
            nature: Nature::Purchase.into(),
            amount: Some(amount),
            items: Vec::new(),
            merchant_reference: String::new(),
        })
    }
}
