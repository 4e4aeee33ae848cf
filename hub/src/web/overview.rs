//! The overview: what somebody has, how it stands, what is due.

use domain::{PersonId, Reason};
use maud::{Markup, html};
use proto::cardholder as pb;
use tonic::Status;

use super::answer::{Asked, Told};
use super::page::{Frame, minor, money};
use crate::bills;

/// The reason of a call that phones make, too.
pub(super) fn reason_of(status: &Status) -> Reason {
    proto::reason_of(status).unwrap_or(Reason::Fault)
}

pub(super) async fn page(asked: &Asked<'_>, person_id: PersonId) -> Result<Told, Reason> {
    let (parts, frame) = (&asked.web.inner.parts, &asked.frame);
    let listed = parts.freezes.list_instruments(person_id).await.map_err(|status| reason_of(&status))?;
    let today = parts.bills.today()?;
    let totals = parts.bills.total(person_id, today).await.map_err(|error| error.reason())??;
    let totals = bills::wire::total(&totals, today).totals;
    let main = html! {
        section aria-labelledby="due" {
            h2 #due { (frame.say("What is due", "待还款")) }
            (total(frame, &totals))
        }
        section aria-labelledby="cards" {
            h2 #cards { (frame.say("Cards and accounts", "卡片与账户")) }
            (instruments(frame, &listed.instruments))
            p { a.button href="/freeze" { (frame.say("Freeze or set free", "冻结或解冻")) } }
        }
    };
    Ok(asked.page(frame.say("Overview", "总览"), &main))
}

/// What is to be paid over all banks.
pub(super) fn total(frame: &Frame<'_>, totals: &[pb::TotalBill]) -> Markup {
    html! {
        @if totals.is_empty() { p.empty { (frame.say("Nothing is due.", "没有待还款项。")) } }
        @for total in totals {
            div.total {
                p.amount { (money(total.due.as_ref())) }
                p {
                    (frame.say("At least ", "最低还款")) (minor(total.due.as_ref(), total.minimum_minor))
                    @if !total.next_due_on.is_empty() { (frame.say(", next on ", "，最近还款日")) time datetime=(total.next_due_on) { (total.next_due_on) } }
                }
                @if total.overdue_minor > 0 {
                    p.warning {
                        (frame.say("Overdue: ", "已逾期：")) (minor(total.due.as_ref(), total.overdue_minor))
                        (frame.say(", since ", "，自")) (total.overdue_since)
                    }
                }
            }
        }
    }
}

fn instruments(frame: &Frame<'_>, all: &[pb::Instrument]) -> Markup {
    html! {
        @if all.is_empty() { p.empty { (frame.say("No card or account is bound to your number.", "您的号码未绑定卡片或账户。")) } } @else {
            table {
                caption { (frame.say("What your number is bound to", "已绑定的卡片与账户")) }
                thead { tr {
                    th scope="col" { (frame.say("Bank", "银行")) }
                    th scope="col" { (frame.say("Number", "号码")) }
                    th scope="col" { (frame.say("State", "状态")) }
                } }
                tbody {
                    @for it in all {
                        tr {
                            td data-label=(frame.say("Bank", "银行")) { (it.bank_name) }
                            th scope="row" data-label=(frame.say("Number", "号码")) {
                                (it.masked)
                                @if it.is_default { " " span.tag { (frame.say("pays", "默认")) } }
                            }
                            td data-label=(frame.say("State", "状态")) { (state(frame, it)) }
                        }
                    }
                }
            }
        }
    }
}

/// Whether money goes out of it: in words, and not by colour alone.
pub(super) fn state(frame: &Frame<'_>, it: &pb::Instrument) -> Markup {
    let (class, words) = match it.freeze_state() {
        pb::FreezeState::Unspecified | pb::FreezeState::Free => ("free", frame.say("In use", "正常")),
        pb::FreezeState::Freezing => {
            ("frozen", frame.say("Frozen here, the bank is being told", "本平台已冻结，正在通知银行"))
        }
        pb::FreezeState::Frozen => ("frozen", frame.say("Frozen", "已冻结")),
        pb::FreezeState::Unfreezing => {
            ("frozen", frame.say("The bank is being told that it is free again", "正在通知银行解冻"))
        }
        pb::FreezeState::Ended => ("frozen", frame.say("The bank does not have it any more", "银行已无此项")),
    };
    html! { span class={ "state " (class) } { (words) } }
}
