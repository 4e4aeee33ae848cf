//! Notices on the wire. `Err(FieldUnknown)` when a message names nothing that this version knows.

use domain::Reason;
#[cfg(feature = "cardholder")]
use domain::notice::PriceNews;
use domain::notice::{ChannelKind, Language, NoticeKind};

#[cfg(feature = "cardholder")]
use crate::cardholder;
use crate::common;

pub const fn to_notice_kind(kind: NoticeKind) -> common::NoticeKind {
    match kind {
        NoticeKind::Code => common::NoticeKind::Code,
        NoticeKind::Security => common::NoticeKind::Security,
        NoticeKind::Charge => common::NoticeKind::Charge,
        NoticeKind::GiveBack => common::NoticeKind::GiveBack,
        NoticeKind::PaidIn => common::NoticeKind::PaidIn,
        NoticeKind::Bill => common::NoticeKind::Bill,
        NoticeKind::Reminder => common::NoticeKind::Reminder,
        NoticeKind::Offer => common::NoticeKind::Offer,
        NoticeKind::Inquiry => common::NoticeKind::Inquiry,
        NoticeKind::Personal => common::NoticeKind::Personal,
        NoticeKind::Address => common::NoticeKind::Address,
        NoticeKind::Enrolment => common::NoticeKind::Enrolment,
    }
}

/// From the number that stands in a message.
pub fn from_notice_kind(kind: i32) -> Result<NoticeKind, Reason> {
    NoticeKind::ALL.iter().copied().find(|known| to_notice_kind(*known) as i32 == kind).ok_or(Reason::FieldUnknown)
}

pub const fn to_notice_channel(channel: ChannelKind) -> common::NoticeChannel {
    match channel {
        ChannelKind::Sms => common::NoticeChannel::Sms,
        ChannelKind::Mail => common::NoticeChannel::Mail,
        ChannelKind::Push => common::NoticeChannel::Push,
    }
}

/// From the number that stands in a message.
pub fn from_notice_channel(channel: i32) -> Result<ChannelKind, Reason> {
    let mut all = ChannelKind::ALL.iter().copied();
    all.find(|known| to_notice_channel(*known) as i32 == channel).ok_or(Reason::FieldUnknown)
}

pub const fn to_notice_language(language: Language) -> common::NoticeLanguage {
    match language {
        Language::Chinese => common::NoticeLanguage::Chinese,
        Language::English => common::NoticeLanguage::English,
    }
}

/// From the number that stands in a message.
pub fn from_notice_language(language: i32) -> Result<Language, Reason> {
    let mut all = Language::ALL.iter().copied();
    all.find(|known| to_notice_language(*known) as i32 == language).ok_or(Reason::FieldUnknown)
}

#[cfg(feature = "cardholder")]
pub const fn to_price_news(prices: PriceNews) -> cardholder::PriceNews {
    match prices {
        PriceNews::Off => cardholder::PriceNews::Off,
        PriceNews::WithCharge => cardholder::PriceNews::WithCharge,
        PriceNews::Separate => cardholder::PriceNews::Separate,
    }
}

/// From the number that stands in a message.
#[cfg(feature = "cardholder")]
pub fn from_price_news(prices: i32) -> Result<PriceNews, Reason> {
    PriceNews::ALL.iter().copied().find(|known| to_price_news(*known) as i32 == prices).ok_or(Reason::FieldUnknown)
}

#[cfg(all(test, feature = "cardholder"))]
mod tests {
    use super::*;

    /// More numbers than any of the contract's enumerations has.
    const NUMBERS: std::ops::Range<i32> = -8..64;

    #[test]
    fn every_value_of_the_wire_is_one_of_the_domain_and_nothing_else_is() {
        let kinds: Vec<_> = NUMBERS.filter_map(|number| from_notice_kind(number).ok()).collect();
        assert_eq!(kinds, NoticeKind::ALL);
        let channels: Vec<_> = NUMBERS.filter_map(|number| from_notice_channel(number).ok()).collect();
        assert_eq!(channels, ChannelKind::ALL);
        let languages: Vec<_> = NUMBERS.filter_map(|number| from_notice_language(number).ok()).collect();
        assert_eq!(languages, Language::ALL);
        let prices: Vec<_> = NUMBERS.filter_map(|number| from_price_news(number).ok()).collect();
        assert_eq!(prices, PriceNews::ALL);
        for number in NUMBERS.filter(|number| *number != 0) {
            assert_eq!(common::NoticeKind::try_from(number).is_ok(), from_notice_kind(number).is_ok(), "{number}");
            assert_eq!(
                common::NoticeChannel::try_from(number).is_ok(),
                from_notice_channel(number).is_ok(),
                "{number}"
            );
            assert_eq!(
                common::NoticeLanguage::try_from(number).is_ok(),
                from_notice_language(number).is_ok(),
                "{number}"
            );
            assert_eq!(cardholder::PriceNews::try_from(number).is_ok(), from_price_news(number).is_ok(), "{number}");
        }
        for bad in [0, -1, i32::MAX] {
            assert_eq!(from_notice_kind(bad), Err(Reason::FieldUnknown));
            assert_eq!(from_notice_channel(bad), Err(Reason::FieldUnknown));
            assert_eq!(from_notice_language(bad), Err(Reason::FieldUnknown));
            assert_eq!(from_price_news(bad), Err(Reason::FieldUnknown));
        }
    }
}
