//! Events and purchases as phones get them.

use domain::feed::{Event, EventKind, Topic};
use domain::purchase::{LineItem, Location, Merchant, Purchase};
use proto::{cardholder as pb, common};

pub(super) fn event(event: &Event) -> pb::Event {
    let kind = match &event.kind {
        EventKind::Code { payment_id, code, amount, merchant: seller, expires_at } => {
            pb::event::Kind::PaymentCode(pb::PaymentCode {
                payment_id: payment_id.to_string(),
                code: code.as_ref().map(|code| code.reveal().to_owned()).unwrap_or_default(),
                amount: Some(proto::to_money(*amount)),
                merchant: Some(merchant(seller)),
                expires_at: Some(proto::to_timestamp(*expires_at)),
            })
        }
        EventKind::SignInCode { sign_in_id, code, expires_at } => pb::event::Kind::SignInCode(pb::SignInCode {
            sign_in_id: sign_in_id.to_string(),
            code: code.as_ref().map(|code| code.reveal().to_owned()).unwrap_or_default(),
            expires_at: Some(proto::to_timestamp(*expires_at)),
        }),
        EventKind::ErrandCode { errand_id, errand, code, merchant: seller, expires_at } => {
            pb::event::Kind::ErrandCode(pb::ErrandCode {
                errand_id: errand_id.to_string(),
                kind: proto::to_errand_kind(*errand).into(),
                code: code.as_ref().map(|code| code.reveal().to_owned()).unwrap_or_default(),
                merchant: Some(merchant(seller)),
                expires_at: Some(proto::to_timestamp(*expires_at)),
            })
        }
        EventKind::Charge(bought) => pb::event::Kind::Charge(pb::Charge { purchase: Some(purchase(bought)) }),
        EventKind::Update { purchase: updated, before } => pb::event::Kind::PurchaseUpdate(pb::PurchaseUpdate {
            purchase: Some(purchase(updated)),
            amount_before: Some(proto::to_money(*before)),
        }),
        EventKind::GiveBack { payment_id, amount, reversal, merchant: seller } => {
            pb::event::Kind::GiveBack(pb::GiveBack {
                payment_id: payment_id.to_string(),
                amount: Some(proto::to_money(*amount)),
                reversal: *reversal,
                merchant: Some(merchant(seller)),
            })
        }
        EventKind::News(news) => pb::event::Kind::News(pb::News {
            topic: topic(news.topic).into(),
            subject_id: news.subject.to_string(),
            text_en: news.english.clone(),
            text_zh: news.chinese.clone(),
        }),
        EventKind::PaidIn(paid_in) => pb::event::Kind::PaidIn(pb::PaidIn {
            payment_id: paid_in.payment_id.to_string(),
            nature: proto::to_nature(paid_in.nature).into(),
            amount: Some(proto::to_money(paid_in.amount)),
            bank_id: paid_in.bank_id.to_string(),
            card_masked: paid_in.masked.clone(),
            merchant: Some(merchant(&paid_in.merchant)),
        }),
    };
    pb::Event { sequence: event.sequence, occurred_at: Some(proto::to_timestamp(event.occurred_at)), kind: Some(kind) }
}

const fn topic(topic: Topic) -> pb::Topic {
    match topic {
        Topic::Inquiry => pb::Topic::Inquiry,
        Topic::Reminder => pb::Topic::Reminder,
        Topic::Bill => pb::Topic::Bill,
        Topic::Offer => pb::Topic::Offer,
        Topic::Prices => pb::Topic::Prices,
        Topic::Security => pb::Topic::Security,
    }
}

pub(crate) fn purchase(purchase: &Purchase) -> pb::Purchase {
    pb::Purchase {
        payment_id: purchase.payment_id.to_string(),
        amount: Some(proto::to_money(purchase.amount)),
        occurred_at: Some(proto::to_timestamp(purchase.occurred_at)),
        bank_id: purchase.bank_id.to_string(),
        account_masked: purchase.account_masked.clone(),
        merchant: Some(merchant(&purchase.merchant)),
        terminal_id: purchase.terminal_id.to_string(),
        place: purchase.place.as_ref().map(ToString::to_string).unwrap_or_default(),
        location: purchase.location.map(|Location { latitude, longitude }| common::Location { latitude, longitude }),
        items: purchase.items.iter().map(item).collect(),
        given_back_minor: purchase.given_back_minor,
        nature: proto::to_nature(purchase.nature).into(),
        credit_minor: purchase.credit_minor,
        state: proto::to_purchase_state(purchase.state).into(),
        carrier: proto::to_carrier(purchase.carrier).into(),
    }
}

pub(crate) fn merchant(merchant: &Merchant) -> common::Merchant {
    common::Merchant {
        merchant_id: merchant.id.to_string(),
        display_name: merchant.name.to_string(),
        category_code: merchant.category.as_str().to_owned(),
    }
}

pub(crate) fn item(item: &LineItem) -> common::LineItem {
    common::LineItem {
        name: item.name.to_string(),
        code: item.code.as_ref().map(ToString::to_string).unwrap_or_default(),
        quantity_milli: item.quantity_milli,
        amount_minor: item.amount_minor,
    }
}
