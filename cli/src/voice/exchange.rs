//! What Asterisk does when it hands a call to a FastAGI server: it tells about the call, then does what it is told. Here what is to be
//! played is printed, and what the caller presses is typed.

use std::io;

use domain::voice::{Language, Sound, all_sounds};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Who ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnded {
    ByHub,
    ByCaller,
    /// The hub broke the connection off without a word.
    Broken,
}

/// A call as the exchange has it.
#[derive(Debug)]
pub struct Exchange {
    lines: Lines<BufReader<OwnedReadHalf>>,
    to_hub: OwnedWriteHalf,
    /// What is heard until something is waited for.
    heard: Vec<(Language, String)>,
}

impl Exchange {
    /// Hands a call to the hub.
    pub async fn connect(address: &str, caller: &str) -> io::Result<Self> {
        let (from_hub, mut to_hub) = TcpStream::connect(address).await?.into_split();
        let headers = format!(
            "agi_network: yes\nagi_network_script: bankhub\nagi_request: agi://{address}/bankhub\nagi_channel: Local/1\n\
             agi_language: en\nagi_type: Local\nagi_uniqueid: 1.1\nagi_callerid: {caller}\nagi_calleridname: unknown\n\
             agi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 95500\n\
             agi_rdnis: unknown\nagi_context: default\nagi_extension: 95500\nagi_priority: 1\nagi_enhanced: 0.0\n\
             agi_accountcode: \n\n"
        );
        to_hub.write_all(headers.as_bytes()).await?;
        Ok(Self { lines: BufReader::new(from_hub).lines(), to_hub, heard: Vec::new() })
    }

    /// Plays the call: what is said goes to `hear`, a sentence or a few at a time, and each line of `keys` is what is pressed when the hub
    /// waits for keys: an empty one is silence, and when there are no more the caller hangs up.
    pub async fn play(mut self, keys: &mut mpsc::Receiver<String>, hear: impl Fn(&str)) -> io::Result<CallEnded> {
        while let Some(command) = self.lines.next_line().await? {
            let words: Vec<&str> = command.split(' ').collect();
            let answer = match words.as_slice() {
                ["ANSWER"] => "200 result=0".to_owned(),
                ["STREAM", "FILE", file, _] => {
                    self.listen(file);
                    "200 result=0 endpos=8000".to_owned()
                }
                ["GET", "DATA", _, _, most] => {
                    self.tell(&hear);
                    let Some(pressed) = keys.recv().await else {
                        // As Asterisk does when the channel is gone.
                        let _ = self.to_hub.write_all(b"HANGUP\n200 result=-1\n").await;
                        return Ok(CallEnded::ByCaller);
                    };
                    pressed_as_result(&pressed, most.parse().unwrap_or(1))
                }
                ["HANGUP"] => {
                    self.tell(&hear);
                    let _ = self.to_hub.write_all(b"200 result=1\n").await;
                    return Ok(CallEnded::ByHub);
                }
                _ => "510 Invalid or unknown command".to_owned(),
            };
            self.to_hub.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        self.tell(&hear);
        Ok(CallEnded::Broken)
    }

    /// What is on a recording.
    fn listen(&mut self, file: &str) {
        let mut parts = file.rsplit('/');
        let (name, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some(language) = Language::from_code(folder) else { return };
        let known = all_sounds(language).into_iter().find(|sound| sound.name == name);
        let words = known.map_or_else(|| format!("[{name}?]"), |Sound { words, .. }| words.into_owned());
        self.heard.push((language, words));
    }

    fn tell(&mut self, hear: &impl Fn(&str)) {
        for language in Language::ALL {
            let between = if language == Language::English { " " } else { "" };
            let words: Vec<String> =
                self.heard.iter().filter(|(known, _)| *known == language).map(|(_, words)| words.clone()).collect();
            if !words.is_empty() {
                hear(&words.join(between));
            }
        }
        self.heard.clear();
    }
}

/// Keys up to the end key or the most that are wanted.
fn pressed_as_result(pressed: &str, most: usize) -> String {
    let keys: String = pressed.chars().take_while(|key| *key != '#').take(most).collect();
    if pressed.contains('#') || keys.len() == most {
        format!("200 result={keys}")
    } else {
        format!("200 result={keys} (timeout)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2_keys_end_with_the_hash_key_the_last_one_wanted_or_in_time() {
        for (pressed, most, result) in [
            ("271828#", 9, "200 result=271828"),
            ("271828", 9, "200 result=271828 (timeout)"),
            ("2", 1, "200 result=2"),
            ("", 1, "200 result= (timeout)"),
            ("#", 9, "200 result="),
            ("123", 2, "200 result=12"),
        ] {
            assert_eq!(pressed_as_result(pressed, most), result, "{pressed}");
        }
    }
}
