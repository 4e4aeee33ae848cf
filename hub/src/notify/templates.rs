//! A person's own words for a kind of notice.

use domain::notice::{ChannelKind, Language, NoticeKind, check_template};
use domain::{PersonId, Reason};
use server_kit::store::StoreError;

use super::sql::TemplatePlace;
use super::steps::Step;
use super::words::default_template;
use super::{Notices, render, sql};
use crate::zone::Zone;

/// The channels that have words.
const WORDED: [ChannelKind; 2] = [ChannelKind::Sms, ChannelKind::Mail];

/// The words of a kind of notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worded {
    pub kind: NoticeKind,
    pub language: Language,
    pub channel: ChannelKind,
    pub text: String,
    /// Whether they are the person's own.
    pub is_own: bool,
}

impl Notices {
    /// What a text would look like as a template for this kind of notice, with made-up values; or why it cannot be one.
    pub fn preview(kind: NoticeKind, language: Language, text: &str) -> Result<String, Reason> {
        if kind.is_fixed() {
            // Words without the code in them would be a way to turn codes off.
            return Err(Reason::NoticeFixed);
        }
        check_template(kind, text)?;
        let shown = render::text(text, kind, language, Zone::shanghai().rules(), &render::example(kind));
        shown.ok().filter(|shown| !shown.is_empty()).ok_or(Reason::TemplateMalformed)
    }

    /// Puts a person's own words in the place of those before, and gives a preview; nothing is stored when they are refused.
    pub async fn save_template(
        &self,
        person: PersonId,
        (kind, language, channel): (NoticeKind, Language, ChannelKind),
        text: &str,
    ) -> Result<Result<String, Reason>, StoreError> {
        let preview = match Self::preview(kind, language, text) {
            Ok(_) if !WORDED.contains(&channel) => return Ok(Err(Reason::TemplateMalformed)),
            Ok(preview) => preview,
            Err(reason) => return Ok(Err(reason)),
        };
        let place = TemplatePlace { person, kind, language, channel };
        let stored = self.write(Step::Template { place, text: Some(text.to_owned()) }).await?;
        Ok(stored.map(|_| preview))
    }

    /// Goes back to the usual words, and gives them.
    pub async fn forget_template(
        &self,
        person: PersonId,
        (kind, language, channel): (NoticeKind, Language, ChannelKind),
    ) -> Result<Result<String, Reason>, StoreError> {
        if kind.is_fixed() {
            return Ok(Err(Reason::NoticeFixed));
        }
        if !WORDED.contains(&channel) {
            return Ok(Err(Reason::TemplateMalformed));
        }
        let place = TemplatePlace { person, kind, language, channel };
        let stored = self.write(Step::Template { place, text: None }).await?;
        Ok(stored.map(|_| default_template(kind, language).to_owned()))
    }

    /// The words of all kinds that can be worded, by kind, language and channel, the person's own where there are some.
    pub async fn templates(&self, person: PersonId) -> Result<Vec<Worded>, StoreError> {
        let parts = &self.inner.parts;
        let own = sql::read_templates(&parts.store, &*parts.keys, person).await?;
        let worded = |kind: NoticeKind, language: Language, channel: ChannelKind| {
            let place = TemplatePlace { person, kind, language, channel };
            let text = own.iter().find(|(known, _)| *known == place).map(|(_, text)| text.clone());
            let (is_own, usual) = (text.is_some(), default_template(kind, language));
            Worded { kind, language, channel, text: text.unwrap_or_else(|| usual.to_owned()), is_own }
        };
        let kinds = NoticeKind::ALL.iter().filter(|kind| !kind.is_fixed());
        let languages = kinds.flat_map(|kind| Language::ALL.iter().map(move |language| (*kind, *language)));
        let places = languages.flat_map(|(kind, language)| WORDED.map(|channel| (kind, language, channel)));
        Ok(places.map(|(kind, language, channel)| worded(kind, language, channel)).collect())
    }

    /// The person's own words, or the usual ones.
    pub async fn template(
        &self,
        person: PersonId,
        (kind, language, channel): (NoticeKind, Language, ChannelKind),
    ) -> Result<String, StoreError> {
        let place = TemplatePlace { person, kind, language, channel };
        let parts = &self.inner.parts;
        let own = sql::read_template(&parts.store, &*parts.keys, &place).await?;
        Ok(own.unwrap_or_else(|| default_template(kind, language).to_owned()))
    }
}
