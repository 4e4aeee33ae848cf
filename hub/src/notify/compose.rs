//! From a row of the outbox to a letter: who it goes to now, and in which words.

use domain::notice::{ChannelKind, NoticeKind, Variables};
use server_kit::store::StoreError;

use super::channel::{Address, Letter};
use super::preferences::Preferences;
use super::sql::{self, Leased};
use super::words::{default_template, subject};
use super::{Notices, payload, render};

/// Why a notice has no letter.
pub(super) type Dropped = &'static str;

impl Notices {
    /// The letter of a notice. Addresses and words are those of the moment of sending.
    pub(super) async fn letter(
        &self,
        channel: ChannelKind,
        notice: &Leased,
    ) -> Result<Result<Letter, Dropped>, StoreError> {
        let parts = &self.inner.parts;
        let Some(sealed) = &notice.payload_sealed else { return Ok(Err("WIPED")) };
        let said = payload::open_variables(&*parts.keys, notice.notice_id, sealed)?;
        let preferences = self.preferences(notice.person_id).await?;
        let Some(to) = self.address(channel, notice, &preferences, &said).await? else { return Ok(Err("NO_ADDRESS")) };
        let mut letter = Letter {
            notice_id: notice.notice_id,
            kind: notice.kind,
            to,
            subject: String::new(),
            text: String::new(),
            html: None,
            expires_at: notice.expires_at,
        };
        match channel {
            // Nothing but the id goes to a vendor.
            ChannelKind::Push => {}
            ChannelKind::Sms => letter.text = self.words(channel, notice, &preferences, &said).await?,
            ChannelKind::Mail => {
                letter.text = self.words(channel, notice, &preferences, &said).await?;
                letter.subject = subject(notice.kind, preferences.language).to_owned();
                letter.html = render::page(&letter.text, &letter.subject, preferences.language).ok();
            }
        }
        let is_empty = channel != ChannelKind::Push && letter.text.is_empty();
        Ok(if is_empty { Err("NOTHING_TO_SAY") } else { Ok(letter) })
    }

    async fn address(
        &self,
        channel: ChannelKind,
        notice: &Leased,
        preferences: &Preferences,
        said: &Variables,
    ) -> Result<Option<Address>, StoreError> {
        let parts = &self.inner.parts;
        let (store, keys) = (&parts.store, &*parts.keys);
        Ok(match (channel, notice.device_id) {
            (ChannelKind::Sms, _) => sql::read_phone(store, keys, notice.person_id).await?.map(Address::Phone),
            (ChannelKind::Mail, _) if notice.kind == NoticeKind::Address => {
                self.awaited_by(notice.person_id, said).await?.map(Address::Mail)
            }
            (ChannelKind::Mail, _) => preferences.mail.clone().map(Address::Mail),
            (ChannelKind::Push, None) => None,
            (ChannelKind::Push, Some(device)) => {
                sql::read_target(store, keys, notice.person_id, device).await?.map(Address::Push)
            }
        })
    }

    async fn words(
        &self,
        channel: ChannelKind,
        notice: &Leased,
        preferences: &Preferences,
        said: &Variables,
    ) -> Result<String, StoreError> {
        let (kind, language) = (notice.kind, preferences.language);
        let usual = default_template(kind, language);
        let template = match kind.is_fixed() {
            true => usual.to_owned(),
            false => self.template(notice.person_id, (kind, language, channel)).await?,
        };
        let zone = preferences.zone.rules();
        // A template was rendered once before it was stored; if one fails all the same, the person is told in the usual words.
        let shown = render::text(&template, kind, language, zone, said).or_else(|error| {
            tracing::warn!(notice_id = %notice.notice_id, %error, "the usual words are used");
            render::text(usual, kind, language, zone, said)
        });
        Ok(shown.unwrap_or_default())
    }
}
