//! Delivery receipts: deliver_sm that tells what became of a message (SMPP v3.4, sections 5.2.12 and 5.3.2.12, appendix B).

use super::super::channel::Receipt;
use super::pdu::{Short, tag};

/// The bits of esm_class that say what sort of message it is, and the value of a receipt.
const SORT: u8 = 0x3C;
const IS_RECEIPT: u8 = 0x04;

/// Reads a receipt; none if the message is something else or does not say about which message it is.
pub(super) fn receipt_of(short: &Short) -> Option<Receipt> {
    if short.esm_class & SORT != IS_RECEIPT {
        return None;
    }
    let text = String::from_utf8_lossy(&short.message);
    let word = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        rest.split_ascii_whitespace().next()
    };
    let by_option = short.option(tag::RECEIPTED_MESSAGE_ID).map(|id| id.strip_suffix(&[0]).unwrap_or(id));
    let by_option = by_option.and_then(|id| std::str::from_utf8(id).ok());
    let provider_id = by_option.or_else(|| word("id:")).filter(|id| (1..=64).contains(&id.len()))?;
    let by_option = short.option(tag::MESSAGE_STATE).and_then(|state| state.first().copied()).and_then(state_name);
    let status = by_option.or_else(|| word("stat:"))?;
    if !(1..=16).contains(&status.len()) || !status.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let is_lost = matches!(status, "EXPIRED" | "DELETED" | "UNDELIV" | "REJECTD");
    Some(Receipt { provider_id: provider_id.to_owned(), status: status.to_owned(), is_lost })
}

/// Section 5.2.28, by the names of appendix B.
const fn state_name(state: u8) -> Option<&'static str> {
    Some(match state {
        1 => "ENROUTE",
        2 => "DELIVRD",
        3 => "EXPIRED",
        4 => "DELETED",
        5 => "UNDELIV",
        6 => "ACCEPTD",
        7 => "UNKNOWN",
        8 => "REJECTD",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn short(esm_class: u8, text: &str, options: &[(u16, &[u8])]) -> Short {
        let options = options.iter().map(|(tag, value)| (*tag, value.to_vec())).collect();
        Short { esm_class, message: text.as_bytes().to_vec(), options, ..Short::default() }
    }

    #[test]
    fn r6_a_receipt_says_what_became_of_which_message() {
        let text = "id:0a1 sub:001 dlvrd:001 submit date:2603011230 done date:2603011231 stat:UNDELIV err:012 text:";
        let options: &[(u16, &[u8])] = &[(tag::RECEIPTED_MESSAGE_ID, b"b2\0"), (tag::MESSAGE_STATE, &[2])];
        for (esm_class, text, options, wanted) in [
            (0x04, text, &[][..], Some(("0a1", "UNDELIV", true))),
            (0x04, "", options, Some(("b2", "DELIVRD", false))),
            (0x04, text, options, Some(("b2", "DELIVRD", false))),
            (0x44, text, &[], Some(("0a1", "UNDELIV", true))),
            (0x00, text, &[], None),
            (0x08, text, &[], None),
            (0x04, "hello", &[], None),
            (0x04, "id: stat:", &[], None),
            (0x04, "id:a stat:\u{1b}[31m", &[], None),
        ] {
            let receipt = receipt_of(&short(esm_class, text, options));
            let found =
                receipt.as_ref().map(|found| (found.provider_id.as_str(), found.status.as_str(), found.is_lost));
            assert_eq!(found, wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_message_breaks_it(message in prop::collection::vec(any::<u8>(), 0..254), esm_class in any::<u8>(), state in any::<u8>()) {
            let options = vec![(tag::MESSAGE_STATE, vec![state]), (tag::RECEIPTED_MESSAGE_ID, message.clone())];
            let _ = receipt_of(&Short { esm_class, message: message.clone(), ..Short::default() });
            let _ = receipt_of(&Short { esm_class, message, options, ..Short::default() });
        }
    }
}
