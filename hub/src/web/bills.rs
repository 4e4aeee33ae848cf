//! Bills: the sum over all banks, and those of each account.

use domain::{PersonId, Reason};
use maud::{Markup, html};
use proto::cardholder as pb;

use super::answer::{Asked, Told};
use super::overview::{reason_of, total};
use super::page::{Frame, minor, money};
use crate::bills;
use crate::bills::query::ListAsked;

pub(super) async fn page(asked: &Asked<'_>, person_id: PersonId) -> Result<Told, Reason> {
    let (parts, frame) = (&asked.web.inner.parts, &asked.frame);
    let today = parts.bills.today()?;
    let totals = parts.bills.total(person_id, today).await.map_err(|error| error.reason())??;
    let wanted = ListAsked::read(&pb::ListBillsRequest::default())?;
    let found = parts.bills.list(person_id, &wanted, today).await.map_err(|error| error.reason())??;
    let instruments = parts.freezes.list_instruments(person_id).await.map_err(|it| reason_of(&it))?.instruments;
    let name = |bank_id: &str| {
        let bank = instruments.iter().find(|it| it.bank_id == bank_id);
        bank.map_or_else(|| bank_id.to_owned(), |it| it.bank_name.clone())
    };
    let accounts = bills::wire::list(&found, today).accounts;
    let main = html! {
        section aria-labelledby="due" {
            h2 #due { (frame.say("In all", "合计")) }
            (total(frame, &bills::wire::total(&totals, today).totals))
        }
        @if accounts.is_empty() { p.empty { (frame.say("There are no bills.", "没有账单。")) } }
        @for account in &accounts { (of_account(frame, account, &name(&account.bank_id))) }
    };
    Ok(asked.page(frame.say("Bills", "账单"), &main))
}

fn of_account(frame: &Frame<'_>, account: &pb::AccountBills, bank: &str) -> Markup {
    let masked = account.bills.first().map(|bill| bill.account_masked.as_str()).unwrap_or_default();
    let (closed, due, billed, left, state) = (
        frame.say("Closed", "账单日"),
        frame.say("Due", "还款日"),
        frame.say("Billed", "账单金额"),
        frame.say("Left to pay", "剩余应还"),
        frame.say("State", "状态"),
    );
    html! {
        section {
            h2 { (bank) " " (masked) }
            @if let Some(running) = &account.running {
                p { (frame.say("Since the last bill: ", "未出账单：")) (money(running.charged.as_ref())) }
            }
            table {
                caption { (bank) " " (masked) ", " (account.currency_code) }
                thead { tr {
                    th scope="col" { (closed) } th scope="col" { (due) } th.number scope="col" { (billed) } th.number scope="col" { (left) } th scope="col" { (state) }
                } }
                tbody {
                    @for bill in &account.bills {
                        tr {
                            th scope="row" data-label=(closed) { (bill.closed_on) }
                            td data-label=(due) { (bill.due_on) }
                            td.number data-label=(billed) { (money(bill.closing.as_ref())) }
                            td.number data-label=(left) { (minor(bill.closing.as_ref(), bill.left_minor)) }
                            td data-label=(state) { (standing(frame, bill)) }
                        }
                    }
                }
            }
        }
    }
}

fn standing(frame: &Frame<'_>, bill: &pb::Bill) -> &'static str {
    match bill.state() {
        pb::BillState::Unspecified | pb::BillState::Open => frame.say("Open", "未还款"),
        pb::BillState::PartPaid => frame.say("Paid in part", "部分还款"),
        pb::BillState::MinimumMet => frame.say("Minimum paid", "已还最低"),
        pb::BillState::Paid => frame.say("Paid", "已还清"),
        pb::BillState::Overdue => frame.say("Overdue", "已逾期"),
    }
}
