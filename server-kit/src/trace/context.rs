//! Which trace something belongs to, as it goes from process to process: W3C Trace Context, level 1.

use std::fmt;

/// The header, and the key of gRPC's metadata, in which a context goes along with a call.
pub const TRACEPARENT: &str = "traceparent";

/// `00-`, the trace's 32 digits, the span's 16, and two of flags.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// The id of a trace: the same in each process that has to do with what is traced.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub(super) [u8; 16]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace: TraceId,
    pub(super) span: [u8; 8],
    /// Whether whoever began the trace wants its spans to be kept.
    pub(super) sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. Nothing for whatever is not exactly of its form: a trace that is begun anew is worth more than one
    /// that a caller has made a mess of.
    ///
    /// A version that is not known yet is read as far as version 00 goes, as section 3.2.4 of the standard has it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (head, rest) = bytes.split_at_checked(LENGTH)?;
        let [v0, v1, b'-', middle @ .., b'-', f0, f1] = head else { return None };
        let (trace, span) = middle.split_at_checked(32)?;
        let [b'-', span @ ..] = span else { return None };
        let version = octet(*v0, *v1)?;
        let may_go_on = version != 0 && rest.first() == Some(&b'-');
        if version == 0xff || !(rest.is_empty() || may_go_on) {
            return None;
        }
        let (trace, span) = (octets::<16>(trace)?, octets::<8>(span)?);
        let sampled = octet(*f0, *f1)? & SAMPLED != 0;
        let is_valid = trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Self { trace: TraceId(trace), span, sampled })
    }

    pub fn trace_id(&self) -> TraceId {
        self.trace
    }
}

/// As it goes to others.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{:016x}-{:02x}", self.trace, u64::from_be_bytes(self.span), u8::from(self.sampled))
    }
}

/// Two hexadecimal digits, in lower case alone.
fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

fn octets<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, odd) = digits.as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return None;
    }
    let mut octets = [0; N];
    for (to, [high, low]) in octets.iter_mut().zip(pairs) {
        *to = octet(*high, *low)?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_written_is_read_again() {
        let context = TraceContext::parse(VALID).unwrap();
        assert_eq!(context.to_string(), VALID);
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(context.sampled);
    }

    #[test]
    fn only_the_flag_that_is_known_is_read() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let text = format!("{}{flags}", VALID.strip_suffix("01").unwrap());
            assert_eq!(TraceContext::parse(&text).unwrap().sampled, sampled, "{flags}");
        }
    }

    #[test]
    fn a_version_of_the_future_is_read_as_far_as_it_is_known() {
        for text in [
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-then",
        ] {
            assert_eq!(TraceContext::parse(text).unwrap().to_string(), VALID, "{text}");
        }
    }

    #[test]
    fn what_is_not_of_the_form_is_none() {
        for text in [
            "",
            "00",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7--01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47\u{00e9}-00f067aa0ba902b7-01",
            "00-' OR 1=1; DROP TABLE payments--'-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_read_says_anything_else_than_it_was_sent(text in ".{0,80}") {
            if let Some(context) = TraceContext::parse(&text) {
                prop_assert!(text.contains(&context.trace_id().to_string()));
            }
        }
    }
}
