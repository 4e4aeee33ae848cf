//! The documents: VoiceXML 2.1 (W3C Recommendation of 19 June 2007) with keys as an inline grammar (SRGS 1.0), and nothing that a gateway
//! may leave out.

use std::fmt::Write as _;

use domain::voice::{Gather, Spoken};
use quick_xml::escape::escape;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <vxml version=\"2.1\" xmlns=\"http://www.w3.org/2001/vxml\" xml:lang=\"zh-CN\">\n";
const FOOT: &str = "</vxml>\n";
/// Who calls, as the gateway has it; it comes back with each step.
const CALLER: &str = "<var name=\"caller\" expr=\"session.connection.remote.uri\"/>\n";

/// The first document: it tells who calls, and has nothing of any call.
pub(super) fn entry() -> String {
    format!(
        "{HEAD}<form id=\"begin\">\n<block>\n{CALLER}\
         <submit next=\"/calls\" method=\"post\" namelist=\"caller\"/>\n</block>\n</form>\n{FOOT}"
    )
}

fn prompts(say: &[Spoken], open_from: usize) -> String {
    let mut text = String::new();
    for (place, spoken) in say.iter().enumerate() {
        let (tag, words) = (spoken.language.tag(), spoken.text());
        let _ = writeln!(
            text,
            "<prompt bargein=\"{}\" xml:lang=\"{tag}\">{}</prompt>",
            place >= open_from,
            escape(words.as_str())
        );
    }
    text
}

/// What is said last.
pub(super) fn farewell(say: &[Spoken]) -> String {
    let prompts = prompts(say, say.len());
    format!("{HEAD}<form id=\"end\">\n<block>\n{prompts}<disconnect/>\n</block>\n</form>\n{FOOT}")
}

/// What is said, and keys that are waited for. `token` and `step` come back with what was heard.
pub(super) fn question(say: &[Spoken], open_from: usize, gather: Gather, token: &str, step: u32) -> String {
    let Gather { most, wait_s } = gather;
    let prompts = prompts(say, open_from);
    let keys: String = "0123456789*".chars().map(|key| format!("<item>{key}</item>")).collect();
    // Each way out says what it was; a field that was not filled has nothing to submit.
    let submits = |heard: &str, keys: &str| {
        format!(
            "<assign name=\"heard\" expr=\"'{heard}'\"/>\
             <submit next=\"/calls/next\" method=\"post\" namelist=\"call step caller heard{keys}\"/>"
        )
    };
    let (filled, silence, hung_up) = (submits("keys", " keys"), submits("silence", ""), submits("hangup", ""));
    // A key that fits nothing, such as the end key alone, is an empty entry.
    let nothing = submits("keys", "");
    format!(
        "{HEAD}{CALLER}<var name=\"call\" expr=\"'{token}'\"/>\n<var name=\"step\" expr=\"{step}\"/>\n\
         <var name=\"heard\" expr=\"''\"/>\n\
         <catch event=\"connection.disconnect\">{hung_up}</catch>\n\
         <form id=\"ask\">\n<field name=\"keys\">\n\
         <property name=\"inputmodes\" value=\"dtmf\"/>\n<property name=\"timeout\" value=\"{wait_s}s\"/>\n\
         <property name=\"interdigittimeout\" value=\"{wait_s}s\"/>\n<property name=\"termchar\" value=\"#\"/>\n\
         <grammar version=\"1.0\" mode=\"dtmf\" root=\"entry\">\n\
         <rule id=\"entry\" scope=\"public\"><item repeat=\"1-{most}\"><ruleref uri=\"#key\"/></item></rule>\n\
         <rule id=\"key\"><one-of>{keys}</one-of></rule>\n</grammar>\n\
         {prompts}<filled>{filled}</filled>\n<noinput>{silence}</noinput>\n<nomatch>{nothing}</nomatch>\n\
         </field>\n</form>\n{FOOT}"
    )
}

#[cfg(test)]
mod tests;
