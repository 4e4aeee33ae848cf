//! What a notice says, as values; words are made of them by a template when it is sent.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;

use super::NoticeKind;
use crate::{Money, Reason, Timestamp};

names! {
    /// A thing that a template can name.
    Field {
        /// The one-time code.
        Code "code",
        Amount "amount",
        /// Of a bill or a reminder: what is to be paid at least.
        Minimum "minimum",
        Merchant "merchant",
        Place "place",
        /// The bank's name.
        Bank "bank",
        /// The card or the account as others may see it.
        Card "card",
        /// When it happened.
        Time "time",
        /// Until when a code is good.
        Until "until",
        /// The day by which a bill is to be paid.
        Due "due",
        /// What has happened, of a security notice; what an inquiry is for, or a code that pays nothing; what an offer is called.
        Subject "subject",
        /// The words of an offer, those made for a purchase (P3), and what the app's feed says of anything else that is no payment.
        Message "message",
    }
}

/// The value of a field.
#[derive(Clone, PartialEq, Eq)]
pub enum FieldValue {
    Text(String),
    /// The same in both languages.
    Words {
        chinese: String,
        english: String,
    },
    Money(Money),
    /// Shown by the clocks where the person lives.
    Time(Timestamp),
    Day(Date),
}

/// Values can be codes and what somebody bought, so none is shown.
impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(***)",
            Self::Words { .. } => "Words(***)",
            Self::Money(_) => "Money(***)",
            Self::Time(_) => "Time(***)",
            Self::Day(_) => "Day(***)",
        })
    }
}

/// What a notice says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<Field, FieldValue>);

impl Variables {
    /// The longest text of one field, in characters.
    pub const MOST_CHARS: usize = 500;

    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, field: Field, value: FieldValue) -> Self {
        self.0.insert(field, value);
        self
    }

    /// The same with one more field of text; a longer text is cut.
    #[must_use]
    pub fn with_text(self, field: Field, text: &str) -> Self {
        self.with(field, FieldValue::Text(text.chars().take(Self::MOST_CHARS).collect()))
    }

    #[must_use]
    pub fn with_money(self, field: Field, money: Money) -> Self {
        self.with(field, FieldValue::Money(money))
    }

    #[must_use]
    pub fn with_time(self, field: Field, time: Timestamp) -> Self {
        self.with(field, FieldValue::Time(time))
    }

    pub fn get(&self, field: Field) -> Option<&FieldValue> {
        self.0.get(&field)
    }

    /// The text of a field that is one.
    pub fn text(&self, field: Field) -> Option<&str> {
        match self.get(field) {
            Some(FieldValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Field, &FieldValue)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// When the notice is of no use any more: a code when it has ended.
    pub fn expires_at(&self, kind: NoticeKind) -> Option<Timestamp> {
        match self.get(Field::Until) {
            Some(FieldValue::Time(end)) if kind.has_code() => Some(*end),
            _ => None,
        }
    }

    /// That all fields are of this kind of notice, and that a code has what makes it one.
    pub fn check(&self, kind: NoticeKind) -> Result<(), Reason> {
        if self.0.keys().any(|field| !kind.fields().contains(field)) {
            return Err(Reason::FieldUnknown);
        }
        let is_whole = !kind.has_code() || (self.get(Field::Code).is_some() && self.expires_at(kind).is_some());
        if is_whole { Ok(()) } else { Err(Reason::FieldMissing) }
    }
}

impl NoticeKind {
    /// What a notice of this kind may say; a field that is not known this time is empty.
    pub const fn fields(self) -> &'static [Field] {
        use Field::{Amount, Bank, Card, Code, Due, Merchant, Message, Minimum, Place, Subject, Time, Until};
        match self {
            Self::Code => &[Code, Amount, Merchant, Place, Time, Until, Subject],
            Self::Security => &[Subject, Bank, Card, Time, Message],
            Self::Charge => &[Amount, Merchant, Place, Bank, Card, Time, Message],
            Self::GiveBack | Self::PaidIn => &[Amount, Merchant, Bank, Card, Time],
            Self::Bill | Self::Reminder => &[Amount, Minimum, Bank, Card, Due, Message],
            Self::Offer => &[Bank, Subject, Message],
            Self::Inquiry => &[Bank, Subject, Time, Message],
            Self::Personal => &[Merchant, Time, Message],
            Self::Address | Self::Enrolment => &[Code, Until],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_a_notice_says_what_its_kind_can_say() {
        let until = Timestamp::from_secs(180);
        let code = Variables::new().with_text(Field::Code, "123456").with_time(Field::Until, until);
        assert_eq!(code.check(NoticeKind::Code), Ok(()));
        assert_eq!(code.expires_at(NoticeKind::Code), Some(until));
        assert_eq!(code.check(NoticeKind::Charge), Err(Reason::FieldUnknown));
        assert_eq!(Variables::new().check(NoticeKind::Code), Err(Reason::FieldMissing));
        let endless = Variables::new().with_text(Field::Code, "123456").with_text(Field::Until, "soon");
        assert_eq!(endless.check(NoticeKind::Code), Err(Reason::FieldMissing));
        assert_eq!(code.check(NoticeKind::Address), Ok(()));
        assert_eq!(code.expires_at(NoticeKind::Address), Some(until));
        assert_eq!(Variables::new().check(NoticeKind::Address), Err(Reason::FieldMissing));
        for kind in NoticeKind::ALL.iter().filter(|kind| !kind.has_code()) {
            assert_eq!(Variables::new().check(*kind), Ok(()), "{kind:?}");
            assert_eq!(Variables::new().expires_at(*kind), None);
        }
    }

    #[test]
    fn no_value_shows_in_debug_output() {
        let said = Variables::new().with_text(Field::Code, "123456").with_text(Field::Merchant, "noodles");
        assert_eq!(format!("{said:?}"), "Variables({Code: Text(***), Merchant: Text(***)})");
    }

    #[test]
    fn a_long_text_is_cut() {
        let said = Variables::new().with_text(Field::Message, &"长".repeat(9_000));
        assert_eq!(said.get(Field::Message), Some(&FieldValue::Text("长".repeat(500))));
    }
}
