//! Bills of all banks. Days are those of the hub's time zone, as "2026-11-22".

use proto::cardholder as pb;

use crate::cache::Freshness;
use crate::error::{Failure, SdkError, Trouble};
use crate::mirror::mirror;
use crate::phone::{Inner, Phone};
use crate::purchase::{Money, money_of};
use crate::session::Hub;

mirror! {
    /// How far a bill is paid, today.
    BillState = pb::BillState {
        /// Nothing was paid yet.
        Open,
        /// Something was paid, but less than the minimum.
        PartPaid,
        /// The minimum was paid, but not all.
        MinimumMet,
        /// Nothing is left to pay.
        Paid,
        /// The due date is over and the minimum was not paid.
        Overdue,
    }
}

/// One cycle of one account in one currency.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Bill {
    pub bill_id: String,
    pub bank_id: String,
    pub account_id: String,
    /// The account or the card over it as others may see it.
    pub account_masked: String,
    /// The card over the account, which a repayment of this bill goes to; none where the bank names none.
    pub card_id: Option<String>,
    pub opened_on: String,
    pub closed_on: String,
    /// The last day to pay without being late.
    pub due_on: String,
    /// What was owed at the close; below zero in the person's favour.
    pub closing: Money,
    pub minimum_minor: i64,
    pub paid_minor: i64,
    /// What is left to pay of all.
    pub left_minor: i64,
    pub minimum_left_minor: i64,
    pub state: BillState,
}

/// What the next bill would come to if it were closed now, by the person's own records.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RunningBill {
    pub opened_on: String,
    pub closes_on: String,
    pub due_on: String,
    /// How many records it has.
    pub count: i32,
    pub charged: Money,
    pub given_back_minor: i64,
}

/// The bills of an account in one currency.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct AccountBills {
    pub bank_id: String,
    pub account_id: String,
    pub currency_code: String,
    /// The newest first; there is one at least.
    pub bills: Vec<Bill>,
    /// What has come since the newest was closed.
    pub running: Option<RunningBill>,
}

/// Bills by bank, account and currency.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BillList {
    pub accounts: Vec<AccountBills>,
    pub freshness: Freshness,
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BillLine {
    pub posted_on: String,
    /// A charge is above zero, a repayment or what came back is below.
    pub amount_minor: i64,
    pub text: String,
    /// Empty where the bank does not say.
    pub payment_id: String,
}

/// What the person's record has in the place of a line.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BillRecord {
    pub on: String,
    pub amount_minor: i64,
    pub merchant: String,
    pub payment_id: String,
}

/// Where bill and records do not say the same.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BillDifference {
    pub line: Option<BillLine>,
    pub record: Option<BillRecord>,
    /// How much more the bill says than the record.
    pub delta_minor: i64,
    /// Whether the bank may post it on the next bill.
    pub may_follow: bool,
}

/// A bill with what it lists, set against the person's own records.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BillDetail {
    pub bill: Bill,
    pub lines: Vec<BillLine>,
    /// How many lines have their record.
    pub agreed: i32,
    pub differences: Vec<BillDifference>,
    pub freshness: Freshness,
}

/// What is to be paid in one currency.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct TotalBill {
    pub due: Money,
    pub minimum_minor: i64,
    /// The earliest due date that is not over; none when there is none.
    pub next_due_on: Option<String>,
    /// What of the minimum is past its due date.
    pub overdue_minor: i64,
    pub overdue_since: Option<String>,
    /// How many bills have something left to pay.
    pub open_count: i32,
}

/// One bill over all banks, for each currency in which there is one.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct TotalBills {
    pub totals: Vec<TotalBill>,
    /// The day of which it speaks.
    pub on: String,
    pub freshness: Freshness,
}

fn bill_of(it: pb::Bill) -> Bill {
    Bill {
        state: BillState::read(it.state),
        bill_id: it.bill_id,
        bank_id: it.bank_id,
        account_id: it.account_id,
        account_masked: it.account_masked,
        card_id: some(it.card_id),
        opened_on: it.opened_on,
        closed_on: it.closed_on,
        due_on: it.due_on,
        closing: money_of(it.closing),
        minimum_minor: it.minimum_minor,
        paid_minor: it.paid_minor,
        left_minor: it.left_minor,
        minimum_left_minor: it.minimum_left_minor,
    }
}

fn line_of(it: pb::BillLine) -> BillLine {
    BillLine { posted_on: it.posted_on, amount_minor: it.amount_minor, text: it.text, payment_id: it.payment_id }
}

fn record_of(it: pb::BillRecord) -> BillRecord {
    BillRecord { on: it.on, amount_minor: it.amount_minor, merchant: it.merchant, payment_id: it.payment_id }
}

fn account_of(it: pb::AccountBills) -> AccountBills {
    let running = |it: pb::RunningBill| RunningBill {
        opened_on: it.opened_on,
        closes_on: it.closes_on,
        due_on: it.due_on,
        count: it.count,
        charged: money_of(it.charged),
        given_back_minor: it.given_back_minor,
    };
    AccountBills {
        bank_id: it.bank_id,
        account_id: it.account_id,
        currency_code: it.currency_code,
        bills: it.bills.into_iter().map(bill_of).collect(),
        running: it.running.map(running),
    }
}

/// An empty text is none.
pub(crate) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl Inner {
    pub(crate) async fn bills(&self, request: pb::ListBillsRequest) -> Result<BillList, Failure> {
        let call = |mut hub: Hub, request| async move { hub.list_bills(request).await };
        let (answer, freshness) = self.read("bills", request, call).await?;
        Ok(BillList { accounts: answer.accounts.into_iter().map(account_of).collect(), freshness })
    }

    pub(crate) async fn total_bill(&self) -> Result<TotalBills, Failure> {
        let call = |mut hub: Hub, request| async move { hub.get_total_bill(request).await };
        let (answer, freshness) = self.read("total-bill", pb::GetTotalBillRequest {}, call).await?;
        let total = |it: pb::TotalBill| TotalBill {
            due: money_of(it.due),
            minimum_minor: it.minimum_minor,
            next_due_on: some(it.next_due_on),
            overdue_minor: it.overdue_minor,
            overdue_since: some(it.overdue_since),
            open_count: it.open_count,
        };
        Ok(TotalBills { totals: answer.totals.into_iter().map(total).collect(), on: answer.on, freshness })
    }

    async fn bill(&self, bill_id: String) -> Result<BillDetail, Failure> {
        let call = |mut hub: Hub, request| async move { hub.get_bill(request).await };
        let (answer, freshness) = self.read("bill", pb::GetBillRequest { bill_id }, call).await?;
        let difference = |it: pb::BillDifference| BillDifference {
            line: it.line.map(line_of),
            record: it.record.map(record_of),
            delta_minor: it.delta_minor,
            may_follow: it.may_follow,
        };
        Ok(BillDetail {
            bill: bill_of(answer.bill.ok_or(Trouble::AnswerUnreadable)?),
            lines: answer.lines.into_iter().map(line_of).collect(),
            agreed: answer.agreed,
            differences: answer.differences.into_iter().map(difference).collect(),
            freshness,
        })
    }
}

#[uniffi::export]
impl Phone {
    /// The bills of the person's accounts, of one bank or account only if it is named: at most `most` of each, 1 to 60, 0 for 12.
    #[uniffi::method(default(bank_id = "", account_id = "", most = 0))]
    pub async fn bills(&self, bank_id: String, account_id: String, most: u32) -> Result<BillList, SdkError> {
        self.run(|inner| async move {
            let most = i32::try_from(most).map_err(|_| Trouble::NumberMalformed)?;
            inner.bills(pb::ListBillsRequest { bank_id, account_id, most }).await
        })
        .await
    }

    /// One bill with its lines, and where they differ from the person's own records.
    pub async fn bill(&self, bill_id: String) -> Result<BillDetail, SdkError> {
        self.run(|inner| async move { inner.bill(bill_id).await }).await
    }

    /// What is to be paid over all banks.
    pub async fn total_bill(&self) -> Result<TotalBills, SdkError> {
        self.run(|inner| async move { inner.total_bill().await }).await
    }
}
