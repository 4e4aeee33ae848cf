//! Between the messages of the counter and the domain. What cannot be read is a reason.

use domain::ledger::{Account, AccountKind, Deposit, DepositId, FreezeOrder};
use domain::text::Line;
use domain::{AccountId, Currency, Money, Reason};
use proto::counter;

use crate::ledger::Opening;

pub(super) fn opening(request: &counter::OpenAccountRequest) -> Result<Opening, Reason> {
    if request.credit_line.is_some() && request.kind() != counter::AccountKind::Credit {
        return Err(Reason::FieldUnknown);
    }
    Ok(Opening {
        account_id: AccountId::parse(&request.account_id)?,
        currency: Currency::parse(&request.currency_code)?,
        holder: Line::parse(&request.holder_name)?,
        payment_limit_minor: request.payment_limit_minor,
    })
}

pub(super) fn deposit(request: &counter::DepositCashRequest) -> Result<Deposit, Reason> {
    Ok(Deposit {
        id: DepositId::parse(&request.deposit_id)?,
        account_id: AccountId::parse(&request.account_id)?,
        amount: proto::to_payable(request.amount.as_ref())?,
    })
}

pub(super) fn freeze_order(request: &counter::SetAccountFrozenRequest) -> Result<FreezeOrder, Reason> {
    Ok(FreezeOrder { account_id: AccountId::parse(&request.account_id)?, frozen: request.frozen })
}

const fn to_kind(kind: AccountKind) -> counter::AccountKind {
    match kind {
        AccountKind::CustomerDeposit => counter::AccountKind::Deposit,
        AccountKind::CustomerSavings => counter::AccountKind::Savings,
        AccountKind::CustomerCredit => counter::AccountKind::Credit,
        AccountKind::HubSettlement | AccountKind::Cash | AccountKind::Fees | AccountKind::Interest => {
            counter::AccountKind::Unspecified
        }
    }
}

pub(super) fn to_account(account: &Account) -> counter::Account {
    let money = |minor| Some(proto::to_money(Money::new(account.currency, minor)));
    counter::Account {
        account_id: account.id.to_string(),
        account_masked: account.masked(),
        available: money(account.available_minor()),
        balance: money(account.balance_minor()),
        frozen: account.frozen,
        payment_limit_minor: account.payment_limit_minor,
        kind: to_kind(account.kind).into(),
        credit_line: None,
    }
}
