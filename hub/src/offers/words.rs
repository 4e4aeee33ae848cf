//! What a person is told of offers, in English and Chinese.

use domain::PersonId;
use domain::feed::{News, Topic};
use domain::offer::{Filing, Finding};

/// An offer has come.
pub(super) fn delivered(filing: &Filing, bank: &str, because: &Finding) -> News {
    let Filing { title, text, .. } = filing;
    News {
        topic: Topic::Offer,
        subject: filing.id.uuid(),
        english: format!("{bank} offers you: {}. {} Why you: {}.", title.english, text.english, because.english()),
        chinese: format!("{bank}为您推荐：{}。{}推荐原因：{}。", title.chinese, text.chinese, because.chinese()),
    }
}

/// The person has accepted an offer.
pub(super) fn accepted(filing: &Filing, bank: &str) -> News {
    News {
        topic: Topic::Offer,
        subject: filing.id.uuid(),
        english: format!("You accepted an offer of {bank}: {}. The bank is told so.", filing.title.english),
        chinese: format!("您已接受{bank}的优惠：{}。银行将获知。", filing.title.chinese),
    }
}

/// The person has agreed to get offers.
pub(super) fn agreed(person_id: PersonId, banks: &[String], most_a_week: u8) -> News {
    News {
        topic: Topic::Security,
        subject: person_id.uuid(),
        english: format!("You agreed to get offers of {}, at most {most_a_week} in seven days.", banks.join(", ")),
        chinese: format!("您已同意接收{}的优惠，七天内最多{most_a_week}条。", banks.join("、")),
    }
}

/// The person gets no offers of these banks any more.
pub(super) fn stopped(person_id: PersonId, banks: &[String]) -> News {
    News {
        topic: Topic::Security,
        subject: person_id.uuid(),
        english: format!("You get no offers of {} any more.", banks.join(", ")),
        chinese: format!("您不再接收{}的优惠。", banks.join("、")),
    }
}
