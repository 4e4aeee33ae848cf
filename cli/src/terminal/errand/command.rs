//! `bankhub terminal activate`, `bankhub terminal password` and `bankhub terminal top-up`.

use clap::{Args, Subcommand};
use domain::errand::ErrandKind;
use domain::{Money, PhoneNumber};
use secrecy::SecretString;
use serde_json::json;

use super::{Errand, ErrandProof, ErrandState};
use crate::error::CliError;
use crate::output::{Output, Tone};
use crate::profile::TerminalProfile;
use crate::terminal::{Terminal, TopUp};
use crate::typed;

/// Whose number it is, and what is typed; asked at the terminal, unseen, when it is not given.
#[derive(Clone, Args)]
pub struct ErrandArgs {
    /// The number, in international form.
    #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
    phone: PhoneNumber,
    /// The code from the phone.
    #[arg(long)]
    code: Option<String>,
    /// Read what is typed at the PIN pad from standard input: a line with the password that holds, or the safety code, where that is
    /// needed, then a line with the new password.
    #[arg(long)]
    pins_stdin: bool,
}

impl std::fmt::Debug for ErrandArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrandArgs").field("phone", &self.phone).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum PasswordCommand {
    /// Set the transaction password for the first time.
    Set(ErrandArgs),
    /// Change it, with the one that holds.
    Change(ErrandArgs),
    /// Set another one with the safety code, when it was forgotten.
    Reset(ErrandArgs),
}

#[derive(Clone, Debug, Args)]
pub struct TopUpArgs {
    /// Whose account is credited, in international form.
    #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
    phone: PhoneNumber,
    /// How much cash the merchant has taken, in major units.
    #[arg(value_parser = typed::amount)]
    amount: Money,
    /// The merchant's own reference.
    #[arg(long, default_value = "")]
    reference: String,
}

impl TopUpArgs {
    pub(in crate::terminal) fn order(&self) -> TopUp {
        TopUp { phone: self.phone.clone(), amount: self.amount, reference: self.reference.clone() }
    }
}

pub(in crate::terminal) async fn password(
    terminal: &Terminal,
    profile: &TerminalProfile,
    command: &PasswordCommand,
    out: &Output,
) -> Result<(), CliError> {
    let (kind, args) = match command {
        PasswordCommand::Set(args) => (ErrandKind::SetPassword, args),
        PasswordCommand::Change(args) => (ErrandKind::ChangePassword, args),
        PasswordCommand::Reset(args) => (ErrandKind::ResetPassword, args),
    };
    run(terminal, profile, (kind, args), out).await
}

/// A whole errand: begun, and proved for as long as the hub lets the person try.
pub(in crate::terminal) async fn run(
    terminal: &Terminal,
    profile: &TerminalProfile,
    (kind, args): (ErrandKind, &ErrandArgs),
    out: &Output,
) -> Result<(), CliError> {
    let pad = profile.hub_pad()?;
    if kind.takes_password() && pad.is_none() {
        return Err(CliError::Usage("this terminal's PIN pad has no key of the hub: set hub_pin_key".to_owned()));
    }
    let mut errand = terminal.begin_errand(kind, &args.phone).await?;
    let (mut given, is_asked) = (args.code.clone(), args.code.is_none());
    while errand.state == ErrandState::Waiting {
        out.note(&sentence(&errand, out));
        let code = match given.take() {
            Some(code) => SecretString::from(code),
            None if is_asked => typed::hidden("code from the phone: ").map_err(asking)?,
            None => break,
        };
        let known = if kind.takes_known() { Some(pin(args, known_words(kind))?) } else { None };
        let new_password = if kind.takes_password() { Some(pin(args, "new transaction password: ")?) } else { None };
        errand = terminal.prove_errand(errand.id, &ErrandProof { code, known, new_password }, pad.as_ref()).await?;
    }
    print(&errand, out);
    if errand.state == ErrandState::Done {
        return Ok(());
    }
    let words = errand.refusal.as_ref().map_or("it is not done", |refusal| refusal.message_en.as_str());
    Err(CliError::Declined { reason: errand.reason(), words: words.to_owned() })
}

const fn known_words(kind: ErrandKind) -> &'static str {
    if matches!(kind, ErrandKind::ResetPassword) { "safety code: " } else { "transaction password: " }
}

fn pin(args: &ErrandArgs, words: &str) -> Result<SecretString, CliError> {
    if args.pins_stdin { typed::secret_from_stdin().map_err(asking) } else { typed::hidden(words).map_err(asking) }
}

fn asking(source: std::io::Error) -> CliError {
    CliError::System { what: "code and passwords cannot be asked for".to_owned(), source }
}

fn sentence(errand: &Errand, out: &Output) -> String {
    let tone = match errand.state {
        ErrandState::Waiting => Tone::Strong,
        ErrandState::Done => Tone::Good,
        ErrandState::Refused => Tone::Bad,
    };
    let mut text = format!("{} {}", errand.kind.as_str(), out.paint(tone, errand.state.name()));
    if let Some(refusal) = &errand.refusal {
        text.push_str(&format!(", {}: {}", refusal.reason, refusal.message_en));
    }
    if errand.state == ErrandState::Waiting {
        text.push_str(&format!(" ({} tries left)", errand.attempts_left));
    }
    text
}

fn print(errand: &Errand, out: &Output) {
    let refusal = errand.refusal.as_ref();
    let words = refusal.map(|refusal| format!("{}\n{}", refusal.message_en, refusal.message_zh)).unwrap_or_default();
    out.record(
        &[
            ("errand", errand.id.to_string()),
            ("kind", errand.kind.as_str().to_owned()),
            ("state", errand.state.name().to_owned()),
            ("reason", refusal.map(|refusal| refusal.reason.clone()).unwrap_or_default()),
            ("in words", words),
        ],
        &json!({
            "errand_id": errand.id.to_string(),
            "kind": errand.kind.as_str(),
            "state": errand.state.name(),
            "reason": refusal.map(|refusal| refusal.reason.as_str()),
            "attempts_left": errand.attempts_left,
        }),
    );
}
