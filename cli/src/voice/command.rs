//! `bankhub voice`.

use std::io::BufRead as _;

use clap::{Args, Subcommand, ValueEnum};
use domain::PhoneNumber;
use domain::voice::{Language, all_sounds};
use serde_json::json;
use tokio::sync::mpsc;

use super::{CallEnded, Exchange};
use crate::error::CliError;
use crate::output::{Output, Tone};
use crate::typed;

const EXAMPLES: &str = "\
Examples:
  bankhub voice call +8613800138000
  bankhub voice call +8613800138000 --keys 2,1,271828#
  bankhub voice sounds en";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VoiceArgs {
    #[command(subcommand)]
    pub command: VoiceCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum VoiceCommand {
    /// Call the hub as an Asterisk would: read what is said, type what is pressed.
    Call(CallArgs),
    /// List the recordings that calls need, each with the words on it. `voice/make-prompts` makes them.
    Sounds {
        #[arg(value_enum)]
        language: SpokenIn,
    },
}

#[derive(Clone, Args)]
pub struct CallArgs {
    /// The number that calls.
    #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
    pub caller: PhoneNumber,
    /// Where the hub takes calls over FastAGI: its `voice.agi_listen`.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4573")]
    pub at: String,
    /// What is pressed each time keys are waited for, an empty word being silence; then the caller hangs up. Asked when it is not given.
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    pub keys: Option<Vec<String>>,
}

/// Keys may be codes.
impl std::fmt::Debug for CallArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallArgs").field("caller", &self.caller).field("at", &self.at).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SpokenIn {
    Zh,
    En,
}

/// Runs the command.
pub async fn run(args: &VoiceArgs, out: &Output) -> Result<(), CliError> {
    match &args.command {
        VoiceCommand::Call(call) => place(call, out).await,
        VoiceCommand::Sounds { language } => {
            let language = match language {
                SpokenIn::Zh => Language::Mandarin,
                SpokenIn::En => Language::English,
            };
            for sound in all_sounds(language) {
                let (name, words) = (sound.name, sound.words);
                out.event(&format!("{name}\t{words}"), &json!({ "name": name, "words": words }));
            }
            Ok(())
        }
    }
}

async fn place(call: &CallArgs, out: &Output) -> Result<(), CliError> {
    let failed = |source| CliError::System { what: call.at.clone(), source };
    let exchange = Exchange::connect(&call.at, call.caller.as_e164()).await.map_err(failed)?;
    let (press, mut keys) = mpsc::channel(1);
    match call.keys.clone() {
        Some(given) => {
            tokio::spawn(async move {
                for keys in given {
                    if press.send(keys).await.is_err() {
                        return;
                    }
                }
            });
        }
        None => {
            out.note(
                "Type keys and Enter when the hub waits for them; Enter alone is silence, the end of input hangs up.",
            );
            // Reading a terminal cannot be broken off, so it has a thread that ends with the program.
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                    if press.blocking_send(line).is_err() {
                        return;
                    }
                }
            });
        }
    }
    let hear = |words: &str| out.event(&out.paint(Tone::Hub, words), &json!({ "said": words }));
    let ended = exchange.play(&mut keys, hear).await.map_err(failed)?;
    let (word, text) = match ended {
        CallEnded::ByHub => ("hub", "The hub has hung up."),
        CallEnded::ByCaller => ("caller", "The caller has hung up."),
        CallEnded::Broken => {
            return Err(CliError::CheckFailed(format!(
                "{}: no calls are taken from here, or all lines are busy",
                call.at
            )));
        }
    };
    out.event(&out.paint(Tone::Quiet, text), &json!({ "ended_by": word }));
    Ok(())
}
