//! What a person is told of a bill.

use super::Bill;
use crate::feed::{News, Topic};
use crate::{BillId, Money};

impl Bill {
    /// That it has come: how much it is, how much of it at least, and until when.
    pub fn news_of_close(&self, bill_id: BillId) -> News {
        let (whose, due_on) = (self.whose(), self.due_on);
        let (all, least) = (self.of(self.closing_minor), self.of(self.minimum_due_minor));
        let (english, chinese) = if self.closing_minor > 0 {
            (
                format!("Bill of {whose}: {all}, at least {least}, due on {due_on}."),
                format!("{whose} 账单已出：应还 {all}，最低还款 {least}，到期还款日 {due_on}。"),
            )
        } else {
            let favour = self.of(self.closing_minor.saturating_neg());
            (
                format!("Bill of {whose}: nothing to pay, {favour} in your favour."),
                format!("{whose} 账单已出：无需还款，溢缴款 {favour}。"),
            )
        };
        News { topic: Topic::Bill, subject: bill_id.uuid(), english, chinese }
    }

    /// That the bank has not been paid in time.
    pub fn news_of_arrears(&self, bill_id: BillId) -> News {
        let (whose, due_on) = (self.whose(), self.due_on);
        let (left, least) = (self.of(self.left_minor()), self.of(self.minimum_left_minor()));
        News {
            topic: Topic::Bill,
            subject: bill_id.uuid(),
            english: format!(
                "The bill of {whose} was due on {due_on} and is overdue: {left} left to pay, at least {least} of it at once."
            ),
            chinese: format!("{whose} 账单已逾期（到期还款日 {due_on}）：尚欠 {left}，请立即至少还款 {least}。"),
        }
    }

    /// The bank and the account as a person knows them.
    pub(crate) fn whose(&self) -> String {
        format!("{} {}", self.account.bank_id, self.masked)
    }

    pub(crate) fn of(&self, minor: i64) -> Money {
        Money::new(self.currency, minor)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::billed::tests::bill;
    use super::*;

    #[test]
    fn r8_a_person_is_told_how_much_and_until_when() {
        let id = BillId::from_uuid(Uuid::from_u128(7));
        let news = bill().news_of_close(id);
        assert_eq!((news.topic, news.subject), (Topic::Bill, id.uuid()));
        assert_eq!(news.english, "Bill of bank-a ****4821: 1500.00 CNY, at least 150.00 CNY, due on 2026-02-25.");
        assert_eq!(
            news.chinese,
            "bank-a ****4821 账单已出：应还 1500.00 CNY，最低还款 150.00 CNY，到期还款日 2026-02-25。"
        );
        let part = Bill { paid_minor: 5_000, ..bill() }.news_of_arrears(id);
        assert!(part.english.ends_with("is overdue: 1450.00 CNY left to pay, at least 100.00 CNY of it at once."));
        assert!(part.chinese.contains("尚欠 1450.00 CNY"));
        let favour = Bill { closing_minor: -500, minimum_due_minor: 0, ..bill() }.news_of_close(id);
        assert_eq!(favour.english, "Bill of bank-a ****4821: nothing to pay, 5.00 CNY in your favour.");
    }
}
