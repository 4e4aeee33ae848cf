//! A person's own words for a kind of notice.

use domain::notice::{ChannelKind, Language, NoticeKind, check_template};
use domain::{PersonId, Reason};
use server_kit::store::StoreError;

use super::sql::TemplatePlace;
use super::steps::Step;
use super::words::default_template;
use super::{Notices, Zone, render, sql};

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
            Ok(_) if channel == ChannelKind::Push => return Ok(Err(Reason::TemplateMalformed)),
            Ok(preview) => preview,
            Err(reason) => return Ok(Err(reason)),
        };
        let place = TemplatePlace { person, kind, language, channel };
        let stored = self.write(Step::Template { place, text: Some(text.to_owned()) }).await?;
        Ok(stored.map(|_| preview))
    }

    /// Goes back to the usual words.
    pub async fn forget_template(
        &self,
        person: PersonId,
        (kind, language, channel): (NoticeKind, Language, ChannelKind),
    ) -> Result<(), StoreError> {
        let place = TemplatePlace { person, kind, language, channel };
        self.write(Step::Template { place, text: None }).await?.map(|_| ()).map_err(super::preferences::refused)
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
