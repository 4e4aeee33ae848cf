//! Asterisk's side of a call over FastAGI: Asterisk connects, tells about the call, and does what it is told command by command.

mod talk;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use domain::voice::{Call, Input, Language, Output, Prompt, Spoken, Then};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::number::{caller, may_be_believed};
use super::{Ended, Ground, VoiceConfig, VoiceParts};
use talk::Talk;
use wire::{Broken, Wire};

/// How long Asterisk may take to tell about a call.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// How long a call may go on when the hub drains.
const DRAIN_WITHIN: Duration = Duration::from_secs(3);
/// How long nobody is taken in after the system had no room for one more connection.
const PAUSE: Duration = Duration::from_millis(100);
const FRONT: &str = "agi";

/// Takes calls from Asterisk.
#[derive(Debug)]
pub(super) struct Front {
    ground: Ground,
    prompts: Arc<str>,
}

impl Front {
    pub(super) fn new(config: &VoiceConfig, parts: &VoiceParts) -> Self {
        Self { ground: Ground::new(config, parts), prompts: config.prompts.as_str().into() }
    }

    /// Takes calls until `draining`, then lets those under way come to their end.
    pub(super) async fn run(self, listener: TcpListener, draining: CancellationToken) {
        let mut calls = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = draining.cancelled() => break,
                accepted = listener.accept() => accepted,
                Some(_) = calls.join_next() => continue,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if !self.ground.lines.knows(peer.ip()) {
                tracing::warn!(%peer, "a call from where no calls are taken from");
                continue;
            }
            // Whoever is not taken hears what the exchange's own dial plan has to say.
            let Some(line) = self.ground.lines.take() else {
                Ended::TooMany.count(FRONT);
                continue;
            };
            let (ground, prompts, draining) = (self.ground.clone(), self.prompts.clone(), draining.clone());
            calls.spawn(async move {
                carry(stream, &ground, prompts, draining).await.count(FRONT);
                drop(line);
            });
        }
        drop(listener);
        while calls.join_next().await.is_some() {}
    }
}

/// Carries one call from its begin to its end.
async fn carry(stream: TcpStream, ground: &Ground, prompts: Arc<str>, draining: CancellationToken) -> Ended {
    // Commands are short, and each waits for the answer to the one before.
    let _ = stream.set_nodelay(true);
    let mut wire = Wire::new(stream);
    let headers = match tokio::time::timeout(HEADERS_WITHIN, wire.headers()).await {
        Ok(Ok(headers)) => headers,
        Ok(Err(Broken::HungUp)) => return Ended::As(domain::voice::Ending::CallerHungUp),
        Ok(Err(Broken::Garbage(why))) => return garbage(why),
        Err(_) => return garbage("no headers in time"),
    };
    let mut talk = Talk::new(wire, prompts);
    let over = tokio::time::sleep(ground.lines.call_at_most);
    let drained = async {
        draining.cancelled().await;
        tokio::time::sleep(DRAIN_WITHIN).await;
    };
    // What the desk is asked runs in a task of its own, so that nothing is cut in two here.
    tokio::select! {
        ended = converse(&mut talk, &headers, ground) => ended.unwrap_or_else(|broken| match broken {
            Broken::HungUp => Ended::As(domain::voice::Ending::CallerHungUp),
            Broken::Garbage(why) => garbage(why),
        }),
        () = over => {
            let _ = tokio::time::timeout(DRAIN_WITHIN, talk.hang_up()).await;
            Ended::TimeOver
        }
        () = drained => Ended::Drained,
    }
}

fn garbage(why: &'static str) -> Ended {
    tracing::warn!(why, "a call was broken off");
    Ended::Broken
}

async fn converse(talk: &mut Talk, headers: &wire::Headers, ground: &Ground) -> Result<Ended, Broken> {
    talk.answer().await?;
    let believed = may_be_believed(&headers.presentation).then(|| caller(&headers.caller, ground.country)).flatten();
    let Some(caller) = believed else {
        return farewell(talk, ground.first, Prompt::NumberWithheld, Ended::Withheld).await;
    };
    if !ground.lines.may_call(&caller) || ground.asking.desk.identify(&caller).await.is_err() {
        return farewell(talk, ground.first, Prompt::Busy, Ended::TooMany).await;
    }
    let (mut call, mut output) = Call::begin(ground.first);
    loop {
        let Output { say, open_from, then } = output;
        let key = talk.say(&say, open_from).await?;
        let input = match then {
            Then::HangUp(ending) => {
                talk.hang_up().await?;
                return Ok(Ended::As(ending));
            }
            Then::Gather(gather) => talk.gather(key, gather).await?,
            Then::Ask(request) => Input::Answer(ground.asking.answer(&caller, request).await),
        };
        (call, output) = call.hears(input);
    }
}

/// Says something in both languages to who is not talked to further.
async fn farewell(talk: &mut Talk, first: Language, prompt: Prompt, ended: Ended) -> Result<Ended, Broken> {
    let say = [first, first.other()].map(|language| Spoken { language, prompt });
    talk.say(&say, say.len()).await?;
    talk.hang_up().await?;
    Ok(ended)
}
