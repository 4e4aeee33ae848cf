//! `bankhub demo`: a day in a throw-away federation of real processes, and then the real checks of its books.

mod cards;
mod checks;
mod counter;
mod credit;
mod inquiries;
mod offers;
mod play;
mod records;
mod scenes;
mod timeline;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tempfile::TempDir;

use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::output::{Output, Tone};

use play::Play;

const ABOUT: &str = "\
It starts a hub and two bank adapters as processes of their own, with SQLite in a temporary folder, a throw-away authority
and mutual TLS, and plays a day: accounts and phones, payments with codes, a wrong code, an expired one, too little money, a
frozen account, refund and reversal, and a bank that is killed with SIGKILL while it is being asked; then two
credit cards, whose banks close a statement and report it, so that there is one bill in total, a reminder of it, and a credit history that a
bank may ask for once; an offer by habits that its bank never sees; one card repaid in cash and the other one from an
account at another bank; then a card of debit and credit: cash, a purchase over both sides, a freeze, and the due day, for which the
bank's clock runs ahead; prices around the corner, and a purchase that the hub did not carry. Then it stops
everything and checks the books: every ledger sums to zero, one debit for each approved payment and none without one, and
nobody has touched the logs. It takes less than a minute and leaves nothing behind, unless a check fails.";

#[derive(Clone, Debug, Args)]
#[command(after_help = ABOUT)]
pub struct DemoArgs {
    /// Keep the folder of the federation, with databases, configurations and logs.
    #[arg(long)]
    pub keep: bool,
    /// What the servers log into their folders, such as info,hub=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub server_log: String,
}

/// Plays the day; anything that is not as it should be makes the command fail, and its folder is kept.
pub async fn run(args: &DemoArgs, out: &Output) -> Result<(), CliError> {
    let folder = tempfile::Builder::new().prefix("bankhub-demo-").tempdir();
    let folder = folder.map_err(|source| CliError::System { what: "a temporary folder".to_owned(), source })?;
    let played = tokio::select! {
        played = Box::pin(played(folder.path(), args, out)) => played,
        _ = tokio::signal::ctrl_c() => Err(CliError::CheckFailed("stopped by hand".to_owned())),
    };
    match played {
        Ok(()) if args.keep => {
            kept(folder, out);
            Ok(())
        }
        Ok(()) => Ok(()),
        Err(error) => {
            let folder = kept(folder, out);
            tracing::debug!(folder = %folder.display(), "kept for whoever looks into it");
            Err(error)
        }
    }
}

fn kept(folder: TempDir, out: &Output) -> PathBuf {
    let folder = folder.keep();
    out.note(&format!("The federation is kept in {}", folder.display()));
    folder
}

async fn played(folder: &Path, args: &DemoArgs, out: &Output) -> Result<(), CliError> {
    out.line(&out.paint(Tone::Strong, "A day in a federation of two banks"));
    let mut play = Play::begin(folder, &args.server_log, out).await?;
    let outcome = acts(&mut play).await;
    // Whatever happened, the bar is gone before anything else is printed.
    play.timeline.end();
    outcome?;
    let elapsed = play.timeline.elapsed();
    let checks = checks::all(play).await?;
    report(&checks, out);
    let failed = checks.iter().filter(|check| check.verdict != Verdict::Good).count();
    if failed > 0 {
        return Err(CliError::CheckFailed(format!("{failed} of {} checks did not pass", checks.len())));
    }
    let sentence = format!("The books are right: {} checks, a day of {:.1} s.", checks.len(), elapsed.as_secs_f64());
    out.line(&out.paint(Tone::Good, &sentence));
    Ok(())
}

/// The acts of the day. What banks report of statements comes before the due day of the card, for which Bank A's clock leaves the
/// hub's behind.
async fn acts(play: &mut Play) -> Result<(), CliError> {
    scenes::all(play).await?;
    counter::all(play).await?;
    let cards = credit::all(play).await?;
    inquiries::all(play).await?;
    offers::all(play).await?;
    credit::repaid(play, &cards).await?;
    cards::all(play).await?;
    records::all(play).await
}

fn report(checks: &[Check], out: &Output) {
    if out.is_json() {
        for check in checks {
            let is_good = check.verdict == Verdict::Good;
            out.event("", &json!({ "check": check.name, "good": is_good, "detail": check.detail }));
        }
        return;
    }
    out.line(&out.paint(Tone::Strong, "\nThe books"));
    crate::doctor::command::print(checks, out);
}
