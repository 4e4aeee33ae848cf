//! Saying and hearing by Asterisk's commands.

use std::sync::Arc;
use std::time::Duration;

use domain::voice::{Digits, Gather, Input, Language, Spoken};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::wire::{Broken, Reply, Wire};

/// No recording is longer.
const SAID_WITHIN: Duration = Duration::from_secs(60);
/// How long Asterisk may take for what takes no time.
const DONE_WITHIN: Duration = Duration::from_secs(10);
/// Every key interrupts, or none does.
const KEYS: &str = "0123456789*#";

/// A call that is spoken on.
pub(super) struct Talk {
    wire: Wire<TcpStream>,
    prompts: Arc<str>,
}

impl Talk {
    pub(super) fn new(wire: Wire<TcpStream>, prompts: Arc<str>) -> Self {
        Self { wire, prompts }
    }

    async fn command(&mut self, command: &str, within: Duration) -> Result<Reply, Broken> {
        let reply = self.wire.command(command, within).await?;
        // The channel is gone, whatever was to be done on it.
        if *reply.result == "-1" { Err(Broken::HungUp) } else { Ok(reply) }
    }

    pub(super) async fn answer(&mut self) -> Result<(), Broken> {
        self.command("ANSWER", DONE_WITHIN).await.map(|_| ())
    }

    pub(super) async fn hang_up(&mut self) -> Result<(), Broken> {
        self.command("HANGUP", DONE_WITHIN).await.map(|_| ())
    }

    /// Says everything, or up to the key that interrupts what may be interrupted.
    pub(super) async fn say(&mut self, say: &[Spoken], open_from: usize) -> Result<Option<char>, Broken> {
        for (place, spoken) in say.iter().enumerate() {
            let keys = if place >= open_from { KEYS } else { "" };
            for sound in spoken.sounds() {
                let file = format!("{}/{}/{}", self.prompts, spoken.language.code(), sound.name);
                let reply = self.command(&format!("STREAM FILE {file} \"{keys}\""), SAID_WITHIN).await?;
                match reply.result.parse::<u8>() {
                    Ok(0) => {}
                    Ok(key) if KEYS.as_bytes().contains(&key) && !keys.is_empty() => return Ok(Some(char::from(key))),
                    _ => return Err(Broken::Garbage("a key that is none")),
                }
            }
        }
        Ok(None)
    }

    /// Waits for keys; `first` is one that came already.
    pub(super) async fn gather(&mut self, first: Option<char>, gather: Gather) -> Result<Input, Broken> {
        let mut keys = Zeroizing::new(String::with_capacity(Digits::MOST));
        if let Some(first) = first {
            keys.push(first);
            if first == '#' || gather.most <= 1 {
                return Ok(Input::Digits(Digits::typed(&keys)));
            }
        }
        let most = gather.most.saturating_sub(u8::from(first.is_some()));
        let within = Duration::from_secs(u64::from(gather.wait_s) * (u64::from(most) + 1)).saturating_add(DONE_WITHIN);
        let (prompts, folder) = (&self.prompts, Language::Mandarin.code());
        let wait_ms = u32::from(gather.wait_s) * 1000;
        let command = format!("GET DATA {prompts}/{folder}/silence {wait_ms} {most}");
        let reply = self.command(&command, within).await?;
        keys.push_str(&reply.result);
        let nothing = keys.is_empty() && reply.timed_out;
        Ok(if nothing { Input::Silence } else { Input::Digits(Digits::typed(&keys)) })
    }
}
