//! What a phone signs to set an account password.

use std::fmt;

use super::AccountPassword;
use crate::{OrderId, Reason, Timestamp, signed_order};

/// A wish to have another account password, as it is signed.
#[derive(Clone)]
pub struct SetForm {
    /// Made by the phone: the same one again changes nothing.
    pub order_id: OrderId,
    pub signed_at: Timestamp,
    pub password: AccountPassword,
}

impl fmt::Debug for SetForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetForm").field("order_id", &self.order_id).finish_non_exhaustive()
    }
}

impl SetForm {
    /// What is signed: lines that end with a line feed, `order=`, `signed_at_micros=` and `account_password=`. Never for a log.
    pub fn text(&self) -> String {
        let head = signed_order::head(self.order_id, self.signed_at);
        format!("{head}account_password={}\n", self.password.reveal())
    }

    /// Reads what was signed, and nothing but what [`text`](Self::text) writes. `Err` with `FieldMissing`, `IdMalformed`,
    /// `FieldUnknown`, `AccountPasswordMalformed`, or `TimeOutOfRange` when it was not signed just now.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, Reason> {
        let mut lines = text.lines();
        let (order_id, signed_at) = signed_order::read_head(&mut lines)?;
        let password = AccountPassword::parse(signed_order::value(&mut lines, "account_password=")?)?;
        signed_order::just_now(signed_at, now)?;
        let read = Self { order_id, signed_at, password };
        // What is written otherwise is signed by nobody who reads what this program shows.
        if read.text() == text { Ok(read) } else { Err(Reason::FieldUnknown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> SetForm {
        let id = uuid::Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0001);
        SetForm {
            order_id: OrderId::from_uuid(id),
            signed_at: Timestamp::from_secs(1_790_000_000),
            password: AccountPassword::parse("correct horse battery").unwrap(),
        }
    }

    #[test]
    fn f3_what_is_signed_is_read_again_and_nothing_that_only_looks_like_it() {
        let (text, now) = (form().text(), Timestamp::from_secs(1_790_000_299));
        let read = SetForm::parse(&text, now).unwrap();
        assert_eq!((read.order_id, read.password.reveal()), (form().order_id, "correct horse battery"));
        for (text, reason) in [
            (String::new(), Reason::FieldMissing),
            (text.replace("account_password", "password"), Reason::FieldMissing),
            (text.replace("order=0192", "order=x192"), Reason::IdMalformed),
            (text.replace("=1790000000000000", "=+1790000000000000"), Reason::FieldUnknown),
            (text.replace("=1790000000000000", "=soon"), Reason::TimeOutOfRange),
            (text.replace("correct horse battery", "correct"), Reason::AccountPasswordMalformed),
            (text.replace('\n', "\r\n"), Reason::FieldUnknown),
            (format!("{text}more\n"), Reason::FieldUnknown),
            (text.trim_end().to_owned(), Reason::FieldUnknown),
        ] {
            assert_eq!(SetForm::parse(&text, now).err(), Some(reason), "{text:?}");
        }
        assert!(!format!("{:?}", form()).contains("correct horse battery"));
    }

    #[test]
    fn f3_a_signature_of_another_time_sets_no_account_password() {
        let text = form().text();
        for (second, fine) in [(-301, false), (-300, true), (300, true), (301, false)] {
            assert_eq!(SetForm::parse(&text, Timestamp::from_secs(1_790_000_000 + second)).is_ok(), fine, "{second}");
        }
    }
}
