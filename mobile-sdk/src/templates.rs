//! The person's own words for notices.

use proto::cardholder as pb;

use crate::error::SdkError;
use crate::phone::Phone;
use crate::preferences::{Language, NoticeChannel, NoticeKind};
use crate::session::Hub;

/// The words of a kind of notice.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Template {
    pub kind: NoticeKind,
    pub language: Language,
    /// SMS or e-mail.
    pub channel: NoticeChannel,
    pub text: String,
    /// Whether they are the person's own; otherwise they are the usual ones.
    pub is_own: bool,
    /// The fields that they may name.
    pub fields: Vec<String>,
}

#[uniffi::export]
impl Phone {
    /// What words would look like, with made-up values: text, `{{ field }}`, `{% if field %}` and `{% endif %}`.
    pub async fn preview_template(
        &self,
        kind: NoticeKind,
        language: Language,
        text: String,
    ) -> Result<String, SdkError> {
        let request = pb::PreviewTemplateRequest { kind: kind.number(), language: language.number(), text };
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.preview_template(request).await };
            Ok(inner.in_session(request, call).await?.preview)
        })
        .await
    }

    /// Stores the person's own words; gives what they look like.
    pub async fn save_template(
        &self,
        kind: NoticeKind,
        language: Language,
        channel: NoticeChannel,
        text: String,
    ) -> Result<String, SdkError> {
        let request = pb::SaveTemplateRequest {
            kind: kind.number(),
            language: language.number(),
            channel: channel.number(),
            text,
        };
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.save_template(request).await };
            Ok(inner.in_session(request, call).await?.preview)
        })
        .await
    }

    /// The words of notices, of one kind or in one language only if it is named.
    #[uniffi::method(default(kind = None, language = None))]
    pub async fn templates(
        &self,
        kind: Option<NoticeKind>,
        language: Option<Language>,
    ) -> Result<Vec<Template>, SdkError> {
        let request = pb::ListTemplatesRequest {
            kind: kind.map_or(0, NoticeKind::number),
            language: language.map_or(0, Language::number),
        };
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.list_templates(request).await };
            let (answer, _) = inner.read("templates", request, call).await?;
            let template = |it: pb::Template| Template {
                kind: NoticeKind::read(it.kind),
                language: Language::read(it.language),
                channel: NoticeChannel::read(it.channel),
                text: it.text,
                is_own: it.own,
                fields: it.fields,
            };
            Ok(answer.templates.into_iter().map(template).collect())
        })
        .await
    }

    /// Goes back to the usual words, and gives them.
    pub async fn forget_template(
        &self,
        kind: NoticeKind,
        language: Language,
        channel: NoticeChannel,
    ) -> Result<String, SdkError> {
        let request =
            pb::ForgetTemplateRequest { kind: kind.number(), language: language.number(), channel: channel.number() };
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.forget_template(request).await };
            Ok(inner.in_session(request, call).await?.text)
        })
        .await
    }
}
