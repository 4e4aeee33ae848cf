//! What gateways need of a document, held against what VoiceXML 2.1 and SRGS 1.0 let stand where.

use domain::voice::{Call, Digits, Input, Language, Output, Then};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::*;

type Element = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// An element, what it may have in it, and which attributes it has to have or may have. From the schemas of VoiceXML 2.1, appendix B, and
/// of SRGS 1.0, as far as the documents use them.
const STRUCTURE: &[Element] = &[
    ("vxml", &["var", "catch", "form"], &["version", "xmlns"], &["xml:lang"]),
    ("form", &["block", "field"], &[], &["id"]),
    ("block", &["var", "prompt", "submit", "disconnect"], &[], &[]),
    ("field", &["property", "grammar", "prompt", "filled", "noinput", "nomatch"], &[], &["name"]),
    ("var", &[], &["name"], &["expr"]),
    ("property", &[], &["name", "value"], &[]),
    ("prompt", &["#text"], &[], &["bargein", "xml:lang"]),
    ("catch", &["assign", "submit"], &[], &["event"]),
    ("filled", &["assign", "submit"], &[], &[]),
    ("noinput", &["assign", "submit"], &[], &[]),
    ("nomatch", &["assign", "submit"], &[], &[]),
    ("assign", &[], &["name", "expr"], &[]),
    ("submit", &[], &["next"], &["method", "namelist"]),
    ("disconnect", &[], &[], &[]),
    ("grammar", &["rule"], &["version"], &["mode", "root"]),
    ("rule", &["item", "one-of"], &["id"], &["scope"]),
    ("one-of", &["item"], &[], &[]),
    ("item", &["ruleref", "#text"], &[], &["repeat"]),
    ("ruleref", &[], &["uri"], &[]),
];

fn opens(parent: Option<&str>, start: &BytesStart<'_>) -> String {
    let name = start.name().as_ref().to_owned();
    let (_, _, required, optional) =
        STRUCTURE.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| panic!("an element {name}"));
    let attributes: Vec<String> =
        start.attributes().map(|attribute| attribute.unwrap().key.as_ref().to_owned()).collect();
    for attribute in *required {
        assert!(attributes.iter().any(|had| had == attribute), "{name} without {attribute}");
    }
    for attribute in &attributes {
        assert!(required.iter().chain(*optional).any(|may| may == attribute), "{name} with {attribute}");
    }
    may_stand(parent, &name);
    name
}

fn may_stand(parent: Option<&str>, child: &str) {
    let Some(parent) = parent else { return assert_eq!(child, "vxml") };
    let (_, children, ..) = STRUCTURE.iter().find(|(known, ..)| *known == parent).unwrap();
    assert!(children.contains(&child), "{child} in {parent}");
}

/// That a document is well formed and nothing stands where it may not; gives its elements in order.
fn checked(document: &str) -> Vec<String> {
    let mut reader = Reader::from_str(document);
    let (mut open, mut seen): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {document}")) {
            Event::Start(start) => {
                let name = opens(open.last().map(String::as_str), &start);
                seen.push(name.clone());
                open.push(name);
            }
            Event::Empty(start) => seen.push(opens(open.last().map(String::as_str), &start)),
            Event::End(_) => {
                open.pop().unwrap();
            }
            Event::Text(text) if !text.as_ref().trim().is_empty() => {
                may_stand(open.last().map(String::as_str), "#text");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?} left open");
    seen
}

fn of(output: Output) -> String {
    match output.then {
        Then::Gather(gather) => question(&output.say, output.open_from, gather, "00ff", 7),
        Then::Ask(_) | Then::HangUp(_) => farewell(&output.say),
    }
}

#[test]
fn f2_every_document_is_well_formed_and_has_what_voicexml_lets_stand_there() {
    assert_eq!(checked(&entry()), ["vxml", "form", "block", "var", "submit"]);
    for language in ["1", "2"] {
        let (mut call, output) = Call::begin(Language::English);
        checked(&of(output));
        for keys in [language, "4", "6228480000000007", "314159", "271828", "1", "*", "9"] {
            let (next, output) = call.hears(Input::Digits(Digits::typed(keys)));
            call = next;
            let document = of(output);
            let seen = checked(&document);
            assert!(seen.contains(&"grammar".to_owned()) || seen.contains(&"disconnect".to_owned()));
            for secret in ["6228480000000007", "314159", "271828"] {
                assert!(!document.contains(secret), "{document}");
            }
        }
    }
}

#[test]
fn f2_a_document_waits_as_long_and_for_as_many_keys_as_the_dialogue_says() {
    let document = question(&[], 0, Gather { most: 9, wait_s: 10 }, "00ff", 7);
    for wanted in [
        "<item repeat=\"1-9\">",
        "name=\"timeout\" value=\"10s\"",
        "name=\"interdigittimeout\" value=\"10s\"",
        "name=\"termchar\" value=\"#\"",
        "<var name=\"call\" expr=\"'00ff'\"/>",
        "<var name=\"step\" expr=\"7\"/>",
        "method=\"post\"",
    ] {
        assert!(document.contains(wanted), "{wanted}: {document}");
    }
    assert!(!document.contains("method=\"get\""));
}
