//! A bank's counter, called at the bank's own adapter.

use domain::{AccountId, CardId, Currency, LegId, Money};
use proto::common;
use proto::counter as pb;
use proto::counter::counter_service_client::CounterServiceClient;
use server_kit::clock::SystemClock;
use server_kit::rng::{IdMaker, SystemRng};
use tonic::transport::Channel;

use super::{OperatorError, answer, bounded};

/// A bank's counter: what an operator does at the bank's own adapter.
#[derive(Clone, Debug)]
pub struct Counter {
    pub(super) counter: CounterServiceClient<Channel>,
    pub(super) ids: IdMaker,
}

impl Counter {
    pub fn over(bank: Channel) -> Self {
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        Self { counter: CounterServiceClient::new(bank), ids }
    }

    /// Opens a deposit account under a new id. A limit of 0 is none.
    pub async fn open_account(
        &self,
        holder: &str,
        currency: Currency,
        payment_limit_minor: i64,
    ) -> Result<pb::Account, OperatorError> {
        let request = bounded(pb::OpenAccountRequest {
            account_id: self.ids.uuid()?.to_string(),
            currency_code: currency.code().to_owned(),
            holder_name: holder.to_owned(),
            payment_limit_minor,
            kind: pb::AccountKind::Deposit.into(),
            credit_line: None,
        });
        let answer = answer(self.counter.clone().open_account(request)).await?;
        answer.account.ok_or(OperatorError::Incomplete("the account"))
    }

    pub async fn deposit(&self, account: AccountId, amount: Money) -> Result<pb::Account, OperatorError> {
        let request = bounded(pb::DepositCashRequest {
            deposit_id: self.ids.uuid()?.to_string(),
            account_id: account.to_string(),
            amount: Some(proto::to_money(amount)),
        });
        let answer = answer(self.counter.clone().deposit_cash(request)).await?;
        answer.account.ok_or(OperatorError::Incomplete("the account"))
    }

    pub async fn account(&self, account: AccountId) -> Result<pb::Account, OperatorError> {
        let request = bounded(pb::GetAccountRequest { account_id: account.to_string() });
        let answer = answer(self.counter.clone().get_account(request)).await?;
        answer.account.ok_or(OperatorError::Incomplete("the account"))
    }

    pub async fn freeze(&self, account: AccountId, frozen: bool) -> Result<pb::Account, OperatorError> {
        let request = bounded(pb::SetAccountFrozenRequest { account_id: account.to_string(), frozen });
        let answer = answer(self.counter.clone().set_account_frozen(request)).await?;
        answer.account.ok_or(OperatorError::Incomplete("the account"))
    }
}

/// A credit account to open.
#[derive(Clone, Debug)]
pub struct NewCreditAccount {
    pub holder: String,
    pub currency: Currency,
    pub limit_minor: i64,
    /// How much of it as cash.
    pub cash_limit_minor: i64,
    /// The day of the month on which statements are closed.
    pub close_day: u8,
    /// The deposit account that repays it on the due day.
    pub repay_from: Option<AccountId>,
}

/// PINs as a pad has encrypted them.
#[derive(Clone, Debug)]
pub struct PinTyped {
    /// The pad's name.
    pub pad: String,
    pub new: common::PinBlock,
    /// The PIN before it, when its holder changes it.
    pub current: Option<common::PinBlock>,
}

impl Counter {
    /// Opens a credit account under a new id, by the usual terms.
    pub async fn open_credit_account(&self, new: &NewCreditAccount) -> Result<pb::Account, OperatorError> {
        let terms = pb::CreditTerms { close_day: u32::from(new.close_day), ..pb::CreditTerms::default() };
        let line = pb::CreditLine {
            limit_minor: new.limit_minor,
            cash_limit_minor: new.cash_limit_minor,
            terms: Some(terms),
            repay_from_account_id: new.repay_from.map(|id| id.to_string()).unwrap_or_default(),
        };
        let request = bounded(pb::OpenAccountRequest {
            account_id: self.ids.uuid()?.to_string(),
            currency_code: new.currency.code().to_owned(),
            holder_name: new.holder.clone(),
            payment_limit_minor: 0,
            kind: pb::AccountKind::Credit.into(),
            credit_line: Some(line),
        });
        let answer = answer(self.counter.clone().open_account(request)).await?;
        answer.account.ok_or(OperatorError::Incomplete("the account"))
    }

    /// Issues a card under a new id; gives what is printed on it too.
    pub async fn issue_card(
        &self,
        bin: &str,
        debit: Option<AccountId>,
        credit: Option<AccountId>,
    ) -> Result<(pb::Card, pb::CardFace), OperatorError> {
        let text = |id: Option<AccountId>| id.map(|id| id.to_string()).unwrap_or_default();
        let request = bounded(pb::IssueCardRequest {
            card_id: self.ids.uuid()?.to_string(),
            bin: bin.to_owned(),
            debit_account_id: text(debit),
            credit_account_id: text(credit),
            pan: String::new(),
        });
        let issued = answer(self.counter.clone().issue_card(request)).await?;
        made(issued.card, issued.face)
    }

    /// Issues a card that takes over from another one.
    pub async fn replace_card(&self, card: CardId) -> Result<(pb::Card, pb::CardFace), OperatorError> {
        let new_card_id = self.ids.uuid()?.to_string();
        let request = bounded(pb::ReplaceCardRequest { card_id: card.to_string(), new_card_id });
        let replaced = answer(self.counter.clone().replace_card(request)).await?;
        made(replaced.card, replaced.face)
    }

    pub async fn card(&self, card: CardId) -> Result<pb::Card, OperatorError> {
        let request = bounded(pb::GetCardRequest { card_id: card.to_string() });
        answer(self.counter.clone().get_card(request)).await?.card.ok_or(OperatorError::Incomplete("the card"))
    }

    pub async fn activate_card(&self, card: CardId) -> Result<pb::Card, OperatorError> {
        let request = bounded(pb::ActivateCardRequest { card_id: card.to_string() });
        answer(self.counter.clone().activate_card(request)).await?.card.ok_or(OperatorError::Incomplete("the card"))
    }

    pub async fn freeze_card(&self, card: CardId, frozen: bool) -> Result<pb::Card, OperatorError> {
        let request = bounded(pb::SetCardFrozenRequest { card_id: card.to_string(), frozen });
        answer(self.counter.clone().set_card_frozen(request)).await?.card.ok_or(OperatorError::Incomplete("the card"))
    }

    pub async fn report_card_lost(&self, card: CardId) -> Result<pb::Card, OperatorError> {
        let request = bounded(pb::ReportCardLostRequest { card_id: card.to_string() });
        answer(self.counter.clone().report_card_lost(request)).await?.card.ok_or(OperatorError::Incomplete("the card"))
    }

    pub async fn close_card(&self, card: CardId) -> Result<pb::Card, OperatorError> {
        let request = bounded(pb::CloseCardRequest { card_id: card.to_string() });
        answer(self.counter.clone().close_card(request)).await?.card.ok_or(OperatorError::Incomplete("the card"))
    }

    /// Sets a card's PIN under a new change's id.
    pub async fn set_pin(&self, card: CardId, typed: PinTyped) -> Result<pb::SetPinResponse, OperatorError> {
        let request = bounded(pb::SetPinRequest {
            change_id: self.ids.uuid()?.to_string(),
            card_id: card.to_string(),
            pin_pad_id: typed.pad,
            new_pin: Some(typed.new),
            current_pin: typed.current,
        });
        answer(self.counter.clone().set_pin(request)).await
    }

    /// Closes the days that are over, up to `through` (YYYY-MM-DD) or yesterday.
    pub async fn close_days(&self, through: &str) -> Result<pb::CloseDaysResponse, OperatorError> {
        let request = bounded(pb::CloseDaysRequest { through: through.to_owned() });
        answer(self.counter.clone().close_days(request)).await
    }

    /// The latest statements of a credit account.
    pub async fn statements(&self, account: AccountId) -> Result<Vec<pb::Statement>, OperatorError> {
        let account_id = account.to_string();
        let request = bounded(pb::ListStatementsRequest { account_id, page_size: 0, before_number: 0 });
        Ok(answer(self.counter.clone().list_statements(request)).await?.statements)
    }

    /// All that the bank's existing credit system refuses to take note of.
    pub async fn stuck_advices(&self) -> Result<Vec<pb::StuckAdvice>, OperatorError> {
        let (mut advices, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(pb::ListStuckAdvicesRequest { page_size: 0, page_token });
            let page = answer(self.counter.clone().list_stuck_advices(request)).await?;
            advices.extend(page.advices);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(advices);
            }
        }
    }

    /// Has the credit system told again.
    pub async fn retell(&self, request: pb::RetellAdviceRequest) -> Result<pb::RetellAdviceResponse, OperatorError> {
        answer(self.counter.clone().retell_advice(bounded(request))).await
    }

    /// Why a leg was decided as it was.
    pub async fn explain(&self, leg: LegId) -> Result<pb::ExplainLegResponse, OperatorError> {
        answer(self.counter.clone().explain_leg(bounded(pb::ExplainLegRequest { leg_id: leg.to_string() }))).await
    }
}

fn made(card: Option<pb::Card>, face: Option<pb::CardFace>) -> Result<(pb::Card, pb::CardFace), OperatorError> {
    card.zip(face).ok_or(OperatorError::Incomplete("the card"))
}
