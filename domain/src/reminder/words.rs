//! What a person is told when a reminder fires.

use crate::ReminderId;
use crate::bill::Bill;
use crate::feed::{News, Topic};

/// So many bills are told of by name; who has more is told how many.
const MOST_NAMED: usize = 20;

/// What is due on each account, the earliest first.
pub fn news(reminder_id: ReminderId, bills: &[&Bill]) -> News {
    let mut bills = bills.to_vec();
    bills.sort_by(|a, b| (a.due_on, &a.account, a.currency).cmp(&(b.due_on, &b.account, b.currency)));
    let (mut english, mut chinese) = (Vec::new(), Vec::new());
    for bill in bills.iter().take(MOST_NAMED) {
        let (whose, due_on) = (bill.whose(), bill.due_on);
        let (left, least) = (bill.of(bill.left_minor()), bill.of(bill.minimum_left_minor()));
        english.push(format!("{whose} {left}, at least {least}, by {due_on}"));
        chinese.push(format!("{whose} 待还 {left}，最低还款 {least}，到期还款日 {due_on}"));
    }
    let more = bills.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        english.push(format!("and {more} more"));
        chinese.push(format!("另有 {more} 笔"));
    }
    News {
        topic: Topic::Reminder,
        subject: reminder_id.uuid(),
        english: format!("To pay: {}.", english.join("; ")),
        chinese: format!("还款提醒：{}。", chinese.join("；")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::bill::AccountKey;
    use crate::{AccountId, BankId, Currency};

    #[test]
    fn r10_a_reminder_names_what_is_due_on_each_card_in_the_order_of_days() {
        let account = |n| AccountKey {
            bank_id: BankId::parse("bank-a").unwrap(),
            account_id: AccountId::from_uuid(Uuid::from_u128(n)),
        };
        let bill = |n: u128, day| Bill {
            account: account(n),
            masked: format!("****{n:04}"),
            currency: Currency::CNY,
            from: date(2026, 1, 6),
            closed_on: date(2026, 2, 5),
            due_on: date(2026, 2, day),
            closing_minor: 150_000,
            minimum_due_minor: 15_000,
            paid_minor: 5_000,
        };
        let (late, early) = (bill(1, 25), bill(2, 20));
        let id = ReminderId::from_uuid(Uuid::from_u128(9));
        let news = news(id, &[&late, &early]);
        assert_eq!((news.topic, news.subject), (Topic::Reminder, id.uuid()));
        assert_eq!(
            news.english,
            "To pay: bank-a ****0002 1450.00 CNY, at least 100.00 CNY, by 2026-02-20; \
             bank-a ****0001 1450.00 CNY, at least 100.00 CNY, by 2026-02-25."
        );
        assert!(news.chinese.starts_with("还款提醒：bank-a ****0002 待还 1450.00 CNY，最低还款 100.00 CNY"));
        let many: Vec<Bill> = (0..23).map(|n| bill(n, 25)).collect();
        assert!(super::news(id, &many.iter().collect::<Vec<_>>()).english.ends_with("; and 3 more."));
    }
}
