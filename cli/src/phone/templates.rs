//! A person's own words for notices: `phone templates`.

use clap::Subcommand;
use domain::notice::{ChannelKind, NoticeKind};
use proto::cardholder as pb;
use serde_json::{Value, json};

use super::PhoneFolder;
use super::telling::{LanguageWord, channel_word, kind_word, language_words};
use crate::error::CliError;
use crate::output::Output;

#[derive(Clone, Debug, Subcommand)]
pub enum TemplatesCommand {
    /// List the words of notices, the person's own and the usual ones.
    List {
        /// Of one kind, such as charge.
        #[arg(long, value_name = "KIND", value_parser = kind_word)]
        kind: Option<NoticeKind>,
        /// In one language.
        #[arg(long, value_enum)]
        language: Option<LanguageWord>,
    },
    /// Show what words would look like, with made-up values.
    Preview {
        #[arg(value_name = "KIND", value_parser = kind_word)]
        kind: NoticeKind,
        /// The words: text, {{ amount }}, {% if place %}…{% endif %}.
        text: String,
        #[arg(long, value_enum, default_value = "zh")]
        language: LanguageWord,
    },
    /// Set the person's own words for a kind of notice.
    Save {
        #[arg(value_name = "KIND", value_parser = kind_word)]
        kind: NoticeKind,
        /// sms or mail.
        #[arg(value_name = "CHANNEL", value_parser = channel_word)]
        channel: ChannelKind,
        /// The words: text, {{ amount }}, {% if place %}…{% endif %}.
        text: String,
        #[arg(long, value_enum, default_value = "zh")]
        language: LanguageWord,
    },
    /// Go back to the usual words.
    Forget {
        #[arg(value_name = "KIND", value_parser = kind_word)]
        kind: NoticeKind,
        /// sms or mail.
        #[arg(value_name = "CHANNEL", value_parser = channel_word)]
        channel: ChannelKind,
        #[arg(long, value_enum, default_value = "zh")]
        language: LanguageWord,
    },
}

pub(super) async fn templates(folder: &PhoneFolder, command: &TemplatesCommand, out: &Output) -> Result<(), CliError> {
    let phone = folder.open().await?;
    match command {
        TemplatesCommand::List { kind, language } => {
            let request = pb::ListTemplatesRequest {
                kind: kind.map_or(0, |kind| proto::to_notice_kind(kind).into()),
                language: language.map_or(0, |language| language.message().into()),
            };
            print(&phone.templates(request).await?, out);
        }
        TemplatesCommand::Preview { kind, text, language } => {
            let (kind, language) = (proto::to_notice_kind(*kind).into(), language.message().into());
            let request = pb::PreviewTemplateRequest { kind, language, text: text.clone() };
            let preview = phone.preview_template(request).await?;
            out.record(&[("preview", preview.clone())], &json!({ "preview": preview }));
        }
        TemplatesCommand::Save { kind, channel, text, language } => {
            let request = pb::SaveTemplateRequest {
                kind: proto::to_notice_kind(*kind).into(),
                language: language.message().into(),
                channel: proto::to_notice_channel(*channel).into(),
                text: text.clone(),
            };
            let preview = phone.save_template(request).await?;
            out.record(&[("stored, as", preview.clone())], &json!({ "preview": preview }));
        }
        TemplatesCommand::Forget { kind, channel, language } => {
            let request = pb::ForgetTemplateRequest {
                kind: proto::to_notice_kind(*kind).into(),
                language: language.message().into(),
                channel: proto::to_notice_channel(*channel).into(),
            };
            let text = phone.forget_template(request).await?;
            out.record(&[("words", text.clone())], &json!({ "text": text }));
        }
    }
    Ok(())
}

fn print(templates: &[pb::Template], out: &Output) {
    let word = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase().replace('_', "-");
    let row = |it: &pb::Template| {
        vec![
            word(it.kind().as_str_name(), "NOTICE_KIND_"),
            language_words(it.language()).to_owned(),
            word(it.channel().as_str_name(), "NOTICE_CHANNEL_"),
            if it.own { "own" } else { "usual" }.to_owned(),
            it.text.clone(),
        ]
    };
    let value = |it: &pb::Template| {
        json!({
            "kind": it.kind().as_str_name(),
            "language": it.language().as_str_name(),
            "channel": it.channel().as_str_name(),
            "own": it.own,
            "text": it.text,
            "fields": it.fields,
        })
    };
    let rows: Vec<_> = templates.iter().map(row).collect();
    let head = ["kind", "language", "by", "words", ""];
    out.table(&head, &rows, &templates.iter().map(value).collect::<Value>());
}
