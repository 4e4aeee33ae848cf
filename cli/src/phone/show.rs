//! Events and purchases as this phone shows them: sentences for people, JSON for programs.

use domain::{Currency, Money, Timestamp};
use proto::cardholder as pb;
use proto::cardholder::event::Kind;
use proto::common;
use serde_json::{Value, json};

use crate::output::{Output, Tone};

/// The amount as it stands, and how sure it is.
fn standing(purchase: &pb::Purchase) -> String {
    let state = match purchase.state() {
        common::PurchaseState::Held => "pending",
        common::PurchaseState::Reversed => "reversed",
        common::PurchaseState::Posted | common::PurchaseState::Unspecified => "booked",
    };
    format!("{} {state}", money(purchase.amount.as_ref()))
}

pub(super) fn given_back(purchase: &pb::Purchase) -> String {
    let amount = purchase.amount.as_ref().map(|amount| common::Money {
        currency_code: amount.currency_code.clone(),
        minor_units: purchase.given_back_minor,
    });
    money(amount.as_ref())
}

pub(super) fn money(amount: Option<&common::Money>) -> String {
    let Some(amount) = amount else { return String::new() };
    match Currency::parse(&amount.currency_code) {
        Ok(currency) => Money::new(currency, amount.minor_units).to_string(),
        Err(_) => format!("{} {}", amount.minor_units, amount.currency_code),
    }
}

pub(super) fn name(merchant: Option<&common::Merchant>) -> String {
    merchant.map(|merchant| merchant.display_name.clone()).unwrap_or_default()
}

pub(super) fn time(at: Option<&prost_types::Timestamp>) -> String {
    at.map(|at| clock_time(proto::from_timestamp(at))).unwrap_or_default()
}

fn clock_time(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.micros()) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => String::new(),
    }
}

pub(super) fn sentence(event: &pb::Event, out: &Output) -> String {
    let at = out.paint(Tone::Quiet, &time(event.occurred_at.as_ref()));
    let what = match &event.kind {
        Some(Kind::PaymentCode(code)) if code.code.is_empty() => {
            format!("{} asked for {}; the code has ended", name(code.merchant.as_ref()), money(code.amount.as_ref()))
        }
        Some(Kind::PaymentCode(code)) => format!(
            "{} asks for {}: your code is {}, until {}",
            name(code.merchant.as_ref()),
            money(code.amount.as_ref()),
            out.paint(Tone::Strong, &code.code),
            time(code.expires_at.as_ref())
        ),
        Some(Kind::SignInCode(code)) if code.code.is_empty() => {
            "somebody asked to sign in by web page; the code has ended".to_owned()
        }
        Some(Kind::SignInCode(code)) => format!(
            "your code to sign in by web page is {}, until {}",
            out.paint(Tone::Strong, &code.code),
            time(code.expires_at.as_ref())
        ),
        Some(Kind::ErrandCode(code)) if code.code.is_empty() => {
            format!("{} asked to {}; the code has ended", name(code.merchant.as_ref()), errand(code.kind()))
        }
        Some(Kind::ErrandCode(code)) => format!(
            "{} asks to {}: your code is {}, until {}",
            name(code.merchant.as_ref()),
            errand(code.kind()),
            out.paint(Tone::Strong, &code.code),
            time(code.expires_at.as_ref())
        ),
        Some(Kind::Charge(charge)) => {
            let purchase = charge.purchase.clone().unwrap_or_default();
            format!(
                "{} paid to {} from {} {}",
                out.paint(Tone::Bad, &money(purchase.amount.as_ref())),
                name(purchase.merchant.as_ref()),
                purchase.bank_id,
                purchase.account_masked
            ) + if purchase.state() == common::PurchaseState::Held { " (pending)" } else { "" }
        }
        Some(Kind::PurchaseUpdate(update)) => {
            let purchase = update.purchase.clone().unwrap_or_default();
            format!(
                "{} paid to {} from {} {} is {} now",
                out.paint(Tone::Bad, &money(update.amount_before.as_ref())),
                name(purchase.merchant.as_ref()),
                purchase.bank_id,
                purchase.account_masked,
                standing(&purchase)
            )
        }
        Some(Kind::News(news)) => news.text_en.clone(),
        Some(Kind::GiveBack(back)) => format!(
            "{} came back from {} ({})",
            out.paint(Tone::Good, &money(back.amount.as_ref())),
            name(back.merchant.as_ref()),
            if back.reversal { "the payment was reversed" } else { "a refund" }
        ),
        Some(Kind::PaidIn(paid_in)) => format!(
            "{} came in to {} {} at {}",
            out.paint(Tone::Good, &money(paid_in.amount.as_ref())),
            paid_in.bank_id,
            paid_in.card_masked,
            name(paid_in.merchant.as_ref())
        ),
        None => "something that this program does not know; a newer one does".to_owned(),
    };
    format!("{at} {:>4}  {what}", event.sequence)
}

const fn errand(kind: common::ErrandKind) -> &'static str {
    match kind {
        common::ErrandKind::Activate => "activate your number",
        common::ErrandKind::SetPassword => "set your transaction password",
        common::ErrandKind::ChangePassword => "change your transaction password",
        common::ErrandKind::ResetPassword => "reset your transaction password",
        common::ErrandKind::Unspecified => "do something that this program does not know",
    }
}

/// The event for programs. The code is in it: this is the payer's own phone, and its output is the payer's.
pub(super) fn value(event: &pb::Event) -> Value {
    let kind = match &event.kind {
        Some(Kind::PaymentCode(code)) => json!({
            "payment_code": {
                "payment_id": code.payment_id,
                "code": code.code,
                "amount": money_value(code.amount.as_ref()),
                "merchant": name(code.merchant.as_ref()),
            }
        }),
        Some(Kind::SignInCode(code)) => json!({
            "sign_in_code": {
                "sign_in_id": code.sign_in_id,
                "code": code.code,
            }
        }),
        Some(Kind::ErrandCode(code)) => json!({
            "errand_code": {
                "errand_id": code.errand_id,
                "kind": code.kind().as_str_name(),
                "code": code.code,
                "merchant": name(code.merchant.as_ref()),
            }
        }),
        Some(Kind::Charge(charge)) => json!({ "charge": charge.purchase.as_ref().map(purchase_value) }),
        Some(Kind::PurchaseUpdate(update)) => json!({
            "purchase_update": {
                "purchase": update.purchase.as_ref().map(purchase_value),
                "amount_before": money_value(update.amount_before.as_ref()),
            }
        }),
        Some(Kind::News(news)) => json!({
            "news": {
                "topic": news.topic().as_str_name(),
                "subject_id": news.subject_id,
                "text_en": news.text_en,
                "text_zh": news.text_zh,
            }
        }),
        Some(Kind::GiveBack(back)) => json!({
            "give_back": {
                "payment_id": back.payment_id,
                "amount": money_value(back.amount.as_ref()),
                "reversal": back.reversal,
                "merchant": name(back.merchant.as_ref()),
            }
        }),
        Some(Kind::PaidIn(paid_in)) => json!({
            "paid_in": {
                "payment_id": paid_in.payment_id,
                "nature": paid_in.nature().as_str_name(),
                "amount": money_value(paid_in.amount.as_ref()),
                "bank_id": paid_in.bank_id,
                "card_masked": paid_in.card_masked,
                "merchant": name(paid_in.merchant.as_ref()),
            }
        }),
        None => Value::Null,
    };
    json!({ "sequence": event.sequence, "occurred_at": time(event.occurred_at.as_ref()), "kind": kind })
}

pub(super) fn money_value(amount: Option<&common::Money>) -> Value {
    amount.map_or(
        Value::Null,
        |amount| json!({ "currency_code": amount.currency_code, "minor_units": amount.minor_units }),
    )
}

pub(super) fn purchase_value(purchase: &pb::Purchase) -> Value {
    json!({
        "payment_id": purchase.payment_id,
        "amount": money_value(purchase.amount.as_ref()),
        "occurred_at": time(purchase.occurred_at.as_ref()),
        "bank_id": purchase.bank_id,
        "account_masked": purchase.account_masked,
        "merchant": name(purchase.merchant.as_ref()),
        "terminal_id": purchase.terminal_id,
        "place": purchase.place,
        "given_back_minor": purchase.given_back_minor,
        "state": purchase.state().as_str_name(),
        "carrier": purchase.carrier().as_str_name(),
        "items": purchase.items.iter().map(|item| json!({
            "name": item.name,
            "quantity_milli": item.quantity_milli,
            "amount_minor": item.amount_minor,
        })).collect::<Vec<_>>(),
    })
}
