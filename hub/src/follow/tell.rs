//! Making notices of events.

use domain::BankId;
use domain::feed::{Event, EventKind, News, Topic};
use domain::notice::{Field, FieldValue, NoticeKind, Variables};
use domain::purchase::{Merchant, Purchase};
use server_kit::store::StoreError;

use super::Todo;
use crate::directory::Directory;
use crate::errand::purpose as errand_words;
use crate::notify::Notice;

/// Everything but what an app alone can use.
pub(super) fn wants(event: &Event) -> bool {
    match &event.kind {
        EventKind::Update { purchase, before } => purchase.amount != *before,
        EventKind::Code { code, .. } | EventKind::SignInCode { code, .. } | EventKind::ErrandCode { code, .. } => {
            code.is_some()
        }
        EventKind::Charge(_) | EventKind::GiveBack { .. } | EventKind::PaidIn(_) | EventKind::News(_) => true,
    }
}

/// The notice of an event; `compared` rides in that of a charge.
pub(super) async fn todo(directory: &Directory, event: &Event, compared: Option<News>) -> Result<Todo, StoreError> {
    let at = Variables::new().with_time(Field::Time, event.occurred_at);
    let seller = |said: Variables, merchant: &Merchant| said.with_text(Field::Merchant, merchant.name.as_str());
    let (kind, variables) = match &event.kind {
        // It has ended since: there is nothing to send.
        EventKind::Code { code: None, .. }
        | EventKind::SignInCode { code: None, .. }
        | EventKind::ErrandCode { code: None, .. } => return Ok(Todo::default()),
        EventKind::Code { code: Some(code), amount, merchant, expires_at, .. } => {
            let said = at.with_text(Field::Code, code.reveal()).with_time(Field::Until, *expires_at);
            (NoticeKind::Code, seller(said.with_money(Field::Amount, *amount), merchant))
        }
        EventKind::SignInCode { code: Some(code), expires_at, .. } => {
            let said = at.with_text(Field::Code, code.reveal()).with_time(Field::Until, *expires_at);
            (NoticeKind::Code, said)
        }
        EventKind::ErrandCode { errand, code: Some(code), merchant, expires_at, .. } => {
            let said = at.with_text(Field::Code, code.reveal()).with_time(Field::Until, *expires_at);
            let (english, chinese) = errand_words(*errand);
            let purpose = FieldValue::Words { english: english.to_owned(), chinese: chinese.to_owned() };
            (NoticeKind::Code, seller(said.with(Field::Subject, purpose), merchant))
        }
        EventKind::Charge(purchase) | EventKind::Update { purchase, .. } => {
            let said = charge(directory, seller(at, &purchase.merchant), purchase).await?;
            let said = match compared {
                Some(news) => said.with(Field::Message, words(&news)),
                None => said,
            };
            (NoticeKind::Charge, said)
        }
        EventKind::GiveBack { amount, merchant, .. } => {
            (NoticeKind::GiveBack, seller(at, merchant).with_money(Field::Amount, *amount))
        }
        EventKind::PaidIn(paid_in) => {
            let said = seller(at, &paid_in.merchant).with_money(Field::Amount, paid_in.amount);
            let said = said.with_text(Field::Bank, &bank(directory, &paid_in.bank_id).await?);
            (NoticeKind::PaidIn, said.with_text(Field::Card, &paid_in.masked))
        }
        EventKind::News(news) => (kind_of(news.topic), Variables::new().with(Field::Message, words(news))),
    };
    let (person_id, occurred_at) = (event.person_id, event.occurred_at);
    let notice = Notice { person_id, kind, key: format!("event/{}", event.sequence), occurred_at, variables };
    Ok(Todo { notices: vec![notice], ..Todo::default() })
}

fn words(news: &News) -> FieldValue {
    FieldValue::Words { chinese: news.chinese.clone(), english: news.english.clone() }
}

async fn charge(directory: &Directory, said: Variables, purchase: &Purchase) -> Result<Variables, StoreError> {
    let said = said.with_money(Field::Amount, purchase.amount).with_text(Field::Card, &purchase.account_masked);
    let said = said.with_text(Field::Bank, &bank(directory, &purchase.bank_id).await?);
    Ok(match &purchase.place {
        Some(place) => said.with_text(Field::Place, place.as_str()),
        None => said,
    })
}

/// What people call a bank; its id where it is not known any more.
async fn bank(directory: &Directory, id: &BankId) -> Result<String, StoreError> {
    let bank = directory.bank(id).await?;
    Ok(bank.map_or_else(|| id.to_string(), |bank| bank.display_name.to_string()))
}

const fn kind_of(topic: Topic) -> NoticeKind {
    match topic {
        Topic::Inquiry => NoticeKind::Inquiry,
        Topic::Reminder => NoticeKind::Reminder,
        Topic::Bill => NoticeKind::Bill,
        Topic::Offer => NoticeKind::Offer,
        Topic::Prices => NoticeKind::Personal,
        Topic::Security => NoticeKind::Security,
    }
}
