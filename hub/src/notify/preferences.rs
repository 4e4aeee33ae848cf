//! What a person prefers, and the phones that push reaches.

use domain::notice::{ChannelKind, Choices, Language, MailAddress, NoticeKind, PriceNews, QuietHours};
use domain::{DeviceId, PersonId, Reason, Timestamp};
use server_kit::store::StoreError;

use super::steps::Step;
use super::{Notices, PushTarget, sql};
use crate::zone::Zone;

/// The longest token that a vendor's push service is known to give, with room to grow.
const MOST_TOKEN_BYTES: usize = 4_096;

/// How a person wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    pub language: Language,
    pub zone: Zone,
    pub quiet: Option<QuietHours>,
    pub choices: Choices,
    /// Where e-mail goes; without one none is sent.
    pub mail: Option<MailAddress>,
    /// How the prices of shops nearby are told.
    pub prices: PriceNews,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            language: Language::Chinese,
            zone: Zone::shanghai(),
            quiet: None,
            choices: Choices::default(),
            mail: None,
            prices: PriceNews::default(),
        }
    }
}

impl Preferences {
    /// When a notice that came up at `at` may go out.
    pub(super) fn due(&self, kind: NoticeKind, at: Timestamp) -> Timestamp {
        match self.quiet {
            Some(quiet) if !kind.is_fixed() => quiet.over(at, self.zone.rules()),
            _ => at,
        }
    }

    /// Whether a notice of this kind goes to this person by this channel.
    pub(super) fn wants(&self, kind: NoticeKind, channel: ChannelKind) -> bool {
        // What proves an address goes to one that is not here yet.
        let reaches = channel != ChannelKind::Mail || self.mail.is_some() || kind == NoticeKind::Address;
        self.choices.wants(kind, channel) && reaches
    }
}

impl Notices {
    /// What the person prefers; the defaults until they have said something.
    pub async fn preferences(&self, person: PersonId) -> Result<Preferences, StoreError> {
        let parts = &self.inner.parts;
        Ok(sql::read_preferences(&parts.store, &*parts.keys, person).await?.unwrap_or_default())
    }

    /// Has push reach this phone of the person, in the place of where it was reached before.
    pub async fn register_push(
        &self,
        person: PersonId,
        device: DeviceId,
        target: PushTarget,
    ) -> Result<Result<(), Reason>, StoreError> {
        let fine = !target.token.is_empty()
            && target.token.len() <= MOST_TOKEN_BYTES
            && target.token.bytes().all(|b| b.is_ascii_graphic());
        if !fine {
            return Ok(Err(Reason::TextMalformed));
        }
        Ok(self.write(Step::Target { person, device, target }).await?.map(|_| ()))
    }

    /// Has push reach this phone no more, as when it is lost.
    pub async fn forget_push(&self, person: PersonId, device: DeviceId) -> Result<(), StoreError> {
        self.write(Step::ForgetTarget { person, device }).await?.map(|_| ()).map_err(refused)
    }
}

/// A refusal where none is possible.
pub(super) fn refused(reason: Reason) -> StoreError {
    StoreError::Refused(reason.code().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_a_time_zone_has_its_name_in_one_spelling() {
        assert_eq!(Zone::parse("asia/shanghai").unwrap(), Zone::shanghai());
        assert_eq!(Zone::parse("Pacific/Apia").unwrap().name(), "Pacific/Apia");
        for bad in ["", "Mars/Olympus", "UTC+8", "../../etc/passwd", "Asia/Shanghai\n", &"A".repeat(1_000_000)] {
            assert_eq!(Zone::parse(bad), Err(Reason::TimeZoneUnknown));
        }
    }

    #[test]
    fn r6_quiet_hours_hold_back_what_can_wait() {
        let quiet = QuietHours::from_minutes(22 * 60, 7 * 60).ok();
        let preferences = Preferences { quiet, ..Preferences::default() };
        // 23:00 in Shanghai, and the 7:00 after it.
        let (night, morning) = (Timestamp::from_secs(1_700_060_400), Timestamp::from_secs(1_700_089_200));
        for kind in NoticeKind::ALL {
            let due = preferences.due(*kind, night);
            assert_eq!(due, if kind.is_fixed() { night } else { morning }, "{kind:?}");
            assert_eq!(preferences.due(*kind, morning), morning);
        }
    }

    #[test]
    fn r6_mail_needs_an_address() {
        let without = Preferences::default();
        let with = Preferences { mail: MailAddress::parse("a@b.cn").ok(), ..Preferences::default() };
        assert!(!without.wants(NoticeKind::Security, ChannelKind::Mail));
        assert!(with.wants(NoticeKind::Security, ChannelKind::Mail));
        assert!(without.wants(NoticeKind::Security, ChannelKind::Sms));
    }
}
