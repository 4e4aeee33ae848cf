//! What a person signs to get offers.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::canonical::{Lines, same_again, time};
use crate::{BankId, PersonId, Reason, Timestamp};

const FORM: &str = "bankhub offers v1";
/// The most banks of one agreement, and the most offers a week.
const MOST_BANKS: usize = 20;
const MOST_A_WEEK: u8 = 20;
/// What was signed longer ago, or is dated later, is refused: the clocks of a phone and of the hub differ by less.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// What the person agrees to: that these banks' offers are held against the person's habits at the hub, and come to the person, so many
/// in seven days at most. It takes the place of the agreement before it.
///
/// Its `Display` form is what the phone shows and what its key signs, as UTF-8:
///
/// ```text
/// bankhub offers v1
/// person: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10
/// banks: bank-a,bank-b
/// most a week: 3
/// at: 2026-11-22T10:00:00Z
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementForm {
    /// Who agrees.
    pub person_id: PersonId,
    /// Whose offers: one bank or several.
    pub banks: BTreeSet<BankId>,
    /// How many offers in seven days at most, of all banks together.
    pub most_a_week: u8,
    /// When it was signed, by the phone's clock.
    pub at: Timestamp,
}

impl AgreementForm {
    /// Reads what was signed. `Err(OfferAgreementMalformed)` for anything that is not written exactly as this writes it, and when
    /// there are not 1 to 20 banks and 1 to 20 offers a week.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let form = Self::read(text).map_err(|_| Reason::OfferAgreementMalformed)?;
        let fine = (1..=MOST_BANKS).contains(&form.banks.len()) && (1..=MOST_A_WEEK).contains(&form.most_a_week);
        if fine { Ok(form) } else { Err(Reason::OfferAgreementMalformed) }
    }

    fn read(text: &str) -> Result<Self, Reason> {
        let mut lines = Lines::after(FORM, text)?;
        let form = Self {
            person_id: PersonId::parse(lines.value("person")?)?,
            banks: lines.value("banks")?.split(',').map(BankId::parse).collect::<Result<_, _>>()?,
            most_a_week: lines.value("most a week")?.parse().map_err(|_| Reason::FieldUnknown)?,
            at: lines.time("at")?,
        };
        same_again(form, text)
    }
}

impl fmt::Display for AgreementForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { person_id, banks, most_a_week, at } = self;
        let banks: Vec<&str> = banks.iter().map(BankId::as_str).collect();
        writeln!(
            f,
            "{FORM}\nperson: {person_id}\nbanks: {}\nmost a week: {most_a_week}\nat: {}",
            banks.join(","),
            time(*at)
        )
    }
}

/// Whose offers a person gets, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Of these banks; none when the person gets no offers.
    pub banks: BTreeSet<BankId>,
    /// How many in seven days at most.
    pub most_a_week: u8,
    /// What was signed by this moment has no effect any more.
    pub signed_at: Timestamp,
}

impl Agreement {
    /// The person agrees by a form whose signature was verified with a key of `signer`. `before` is how it stands. In this order
    /// `Err` with `NotYours`, or `OfferAgreementOutdated` when the form is not of the last five minutes, or not signed after the
    /// agreement that stands, or after it was taken back. The same form again gives what stands.
    pub fn agree(
        form: &AgreementForm,
        signer: PersonId,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        if form.person_id != signer {
            return Err(Reason::NotYours);
        }
        let agreed = Self { banks: form.banks.clone(), most_a_week: form.most_a_week, signed_at: form.at };
        if before == Some(&agreed) {
            return Ok(agreed);
        }
        let is_fresh = now.since(form.at) <= FRESH && form.at.since(now) <= FRESH;
        let is_later = before.is_none_or(|before| before.signed_at < form.at);
        if is_fresh && is_later { Ok(agreed) } else { Err(Reason::OfferAgreementOutdated) }
    }

    /// The person wants no offers of these banks any more; of all where none is named. What was signed before now does not bring
    /// them back.
    #[must_use]
    pub fn stop(&self, banks: &BTreeSet<BankId>, now: Timestamp) -> Self {
        let keeps = |bank: &BankId| !banks.is_empty() && !banks.contains(bank);
        let banks = self.banks.iter().filter(|bank| keeps(bank)).cloned().collect();
        Self { banks, signed_at: self.signed_at.max(now), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1_795_341_600);
    const TEXT: &str = "bankhub offers v1\nperson: 0192f0c1-7a6b-7000-8000-000000000001\nbanks: bank-a,bank-b\n\
                        most a week: 3\nat: 2026-11-22T10:00:00Z\n";

    fn person(n: u128) -> PersonId {
        PersonId::from_uuid(Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 + n))
    }

    fn banks(ids: &[&str]) -> BTreeSet<BankId> {
        ids.iter().map(|id| BankId::parse(id).unwrap()).collect()
    }

    fn form() -> AgreementForm {
        AgreementForm { person_id: person(1), banks: banks(&["bank-a", "bank-b"]), most_a_week: 3, at: AT }
    }

    #[test]
    fn r5_what_is_agreed_to_is_what_is_shown_and_has_one_spelling() {
        assert_eq!(form().to_string(), TEXT);
        assert_eq!(AgreementForm::parse(TEXT), Ok(form()));
        let many: Vec<String> = (10..31).map(|n| format!("bank-{n}")).collect();
        for bad in [
            "",
            TEXT.trim_end(),
            &TEXT.replace("bank-a,bank-b", "bank-b,bank-a"),
            &TEXT.replace("bank-a,bank-b", "bank-a,bank-a"),
            &TEXT.replace("bank-a,bank-b", ""),
            &TEXT.replace("bank-a,bank-b", &many.join(",")),
            &TEXT.replace("week: 3", "week: 0"),
            &TEXT.replace("week: 3", "week: 21"),
            &TEXT.replace("week: 3", "week: 03"),
            &TEXT.replace("week: 3", "week: -3"),
            &TEXT.replace("10:00:00Z", "18:00:00+08:00"),
            &TEXT.replace("bank-a", "bank\u{202e}a"),
            &format!("{TEXT}more: 1\n"),
        ] {
            assert_eq!(AgreementForm::parse(bad), Err(Reason::OfferAgreementMalformed), "{bad}");
        }
    }

    #[test]
    fn r5_an_agreement_that_is_old_or_sent_again_brings_nothing_back() {
        let before = |secs: u64| AT.minus(Duration::from_secs(secs));
        let after = |secs: u64| AT.plus(Duration::from_secs(secs));
        let stands = Agreement::agree(&form(), person(1), None, AT).unwrap();
        let stopped = stands.stop(&BTreeSet::new(), after(10));
        assert!(stopped.banks.is_empty());
        let old = Agreement { signed_at: before(60), ..stands.clone() };
        let outdated = Err(Reason::OfferAgreementOutdated);
        let table = [
            ("new", person(1), None, AT, Ok(stands.clone())),
            ("sent again, however late", person(1), Some(&stands), after(86_400), Ok(stands.clone())),
            ("in the place of another", person(1), Some(&old), AT, Ok(stands.clone())),
            ("of somebody else", person(2), None, AT, Err(Reason::NotYours)),
            ("sent again after it was taken back", person(1), Some(&stopped), after(20), outdated.clone()),
            ("too old", person(1), None, after(301), outdated.clone()),
            ("dated later", person(1), None, before(301), outdated),
        ];
        for (name, signer, known, now, wanted) in table {
            assert_eq!(Agreement::agree(&form(), signer, known, now), wanted, "{name}");
        }
    }

    #[test]
    fn r5_taking_back_is_for_the_banks_that_are_named_or_for_all() {
        let stands = Agreement::agree(&form(), person(1), None, AT).unwrap();
        assert_eq!(stands.stop(&banks(&["bank-a", "bank-c"]), AT).banks, banks(&["bank-b"]));
        assert!(stands.stop(&BTreeSet::new(), AT).banks.is_empty());
    }
}
