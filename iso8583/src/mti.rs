//! The message type identifier (ISO 8583:1987, section 4.1; ISO 8583-1:2003, section 5.1).

use std::fmt;

/// Which edition of the standard a message follows: the first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    Iso1987,
    Iso1993,
    Iso2003,
    National,
    Private,
}

/// What a message is about: the second digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageClass {
    Authorization,
    Financial,
    FileAction,
    Reversal,
    Reconciliation,
    Administrative,
    FeeCollection,
    NetworkManagement,
}

/// What a message asks or answers: the third digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    Request,
    RequestResponse,
    Advice,
    AdviceResponse,
    Notification,
    NotificationAcknowledgement,
    Instruction,
    InstructionAcknowledgement,
}

/// Who sends a message: the fourth digit, without its being a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    Acquirer,
    Issuer,
    Other,
}

/// A message type identifier in which every digit has a meaning; reserved digits do not make one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mti {
    digits: [u8; 4],
    version: Version,
    class: MessageClass,
    function: Function,
    origin: Origin,
}

impl Mti {
    pub const AUTHORIZATION_REQUEST: Self = Self::known([0, 1, 0, 0]);
    pub const FINANCIAL_REQUEST: Self = Self::known([0, 2, 0, 0]);
    pub const FINANCIAL_ADVICE: Self = Self::known([0, 2, 2, 0]);
    /// A card issuer changes a record of somebody else's file.
    pub const FILE_ADVICE_OF_ISSUER: Self = Self::known([0, 3, 2, 2]);
    pub const REVERSAL_REQUEST: Self = Self::known([0, 4, 0, 0]);
    pub const REVERSAL_ADVICE: Self = Self::known([0, 4, 2, 0]);
    pub const RECONCILIATION_REQUEST: Self = Self::known([0, 5, 0, 0]);
    pub const NETWORK_MANAGEMENT_REQUEST: Self = Self::known([0, 8, 0, 0]);

    /// From four values of 0 to 9; none if one of them is reserved or no digit.
    pub const fn from_digits(digits: [u8; 4]) -> Option<Self> {
        let [version, class, function, origin] = digits;
        let version = match version {
            0 => Version::Iso1987,
            1 => Version::Iso1993,
            2 => Version::Iso2003,
            8 => Version::National,
            9 => Version::Private,
            _ => return None,
        };
        let class = match class {
            1 => MessageClass::Authorization,
            2 => MessageClass::Financial,
            3 => MessageClass::FileAction,
            4 => MessageClass::Reversal,
            5 => MessageClass::Reconciliation,
            6 => MessageClass::Administrative,
            7 => MessageClass::FeeCollection,
            8 => MessageClass::NetworkManagement,
            _ => return None,
        };
        let function = match function {
            0 => Function::Request,
            1 => Function::RequestResponse,
            2 => Function::Advice,
            3 => Function::AdviceResponse,
            4 => Function::Notification,
            5 => Function::NotificationAcknowledgement,
            6 => Function::Instruction,
            7 => Function::InstructionAcknowledgement,
            _ => return None,
        };
        let origin = match origin {
            0 | 1 => Origin::Acquirer,
            2 | 3 => Origin::Issuer,
            4 | 5 => Origin::Other,
            _ => return None,
        };
        Some(Self { digits, version, class, function, origin })
    }

    /// From four characters, such as `0200`.
    pub fn from_text(text: &str) -> Option<Self> {
        let characters: [u8; 4] = text.as_bytes().try_into().ok()?;
        Self::from_digits(characters.map(|character| character.wrapping_sub(b'0')))
    }

    #[allow(clippy::panic, reason = "evaluated by the compiler, for the constants above alone")]
    const fn known(digits: [u8; 4]) -> Self {
        match Self::from_digits(digits) {
            Some(mti) => mti,
            None => panic!("a digit is reserved"),
        }
    }

    /// Four values of 0 to 9.
    pub const fn digits(self) -> [u8; 4] {
        self.digits
    }

    pub const fn version(self) -> Version {
        self.version
    }

    pub const fn class(self) -> MessageClass {
        self.class
    }

    pub const fn function(self) -> Function {
        self.function
    }

    pub const fn origin(self) -> Origin {
        self.origin
    }

    /// Whether an answer is owed: a request, an advice, a notification or an instruction.
    pub const fn is_request(self) -> bool {
        let [_, _, function, _] = self.digits;
        function % 2 == 0
    }

    /// Whether it answers: a response or an acknowledgement.
    pub const fn is_response(self) -> bool {
        !self.is_request()
    }

    /// Whether it tells what has already been done, such as 0220 or 0420. Its answer is no advice.
    pub const fn is_advice(self) -> bool {
        matches!(self.function, Function::Advice)
    }

    /// Whether the same message has been sent before, such as 0421.
    pub const fn is_repeat(self) -> bool {
        let [_, _, _, origin] = self.digits;
        origin % 2 == 1
    }

    /// The type of the answer to this message: 0210 to 0200 and to 0201. None if it is an answer itself.
    pub const fn answer(self) -> Option<Self> {
        let [version, class, function, origin] = self.digits;
        if function % 2 == 1 {
            return None;
        }
        Self::from_digits([version, class, function + 1, origin - origin % 2])
    }

    /// The type with which this message is sent again: 0421 for 0420. An answer is not repeated by its sender.
    pub const fn repeat(self) -> Option<Self> {
        let [version, class, function, origin] = self.digits;
        if function % 2 == 1 {
            return None;
        }
        Self::from_digits([version, class, function, origin | 1])
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [version, class, function, origin] = self.digits;
        write!(f, "{version}{class}{function}{origin}")
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mti(text: &str) -> Mti {
        Mti::from_text(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_type_says_what_it_is() {
        use Function as F;
        use MessageClass as C;
        use Origin::{Acquirer, Issuer, Other};
        let table = [
            ("0100", Version::Iso1987, C::Authorization, F::Request, Acquirer, false),
            ("0210", Version::Iso1987, C::Financial, F::RequestResponse, Acquirer, false),
            ("0421", Version::Iso1987, C::Reversal, F::Advice, Acquirer, true),
            ("0322", Version::Iso1987, C::FileAction, F::Advice, Issuer, false),
            ("0803", Version::Iso1987, C::NetworkManagement, F::Request, Issuer, true),
            ("1534", Version::Iso1993, C::Reconciliation, F::AdviceResponse, Other, false),
            ("2645", Version::Iso2003, C::Administrative, F::Notification, Other, true),
            ("8770", Version::National, C::FeeCollection, F::InstructionAcknowledgement, Acquirer, false),
            ("9265", Version::Private, C::Financial, F::Instruction, Other, true),
        ];
        for (text, version, class, function, origin, is_repeat) in table {
            let mti = mti(text);
            assert_eq!((mti.version(), mti.class(), mti.function()), (version, class, function), "{text}");
            assert_eq!((mti.origin(), mti.is_repeat(), mti.to_string().as_str()), (origin, is_repeat, text));
        }
    }

    #[test]
    fn reserved_digits_and_other_characters_make_no_type() {
        for text in ["", "020", "02000", "3200", "0000", "0900", "0280", "0206", "02a0", "O200", "０２"] {
            assert_eq!(Mti::from_text(text), None, "{text}");
        }
        assert_eq!(Mti::from_digits([0, 2, 0, 10]), None);
    }

    #[test]
    fn every_request_has_an_answer_and_no_answer_has_one() {
        for (asked, answered) in [
            ("0100", Some("0110")),
            ("0200", Some("0210")),
            ("0201", Some("0210")),
            ("0220", Some("0230")),
            ("0221", Some("0230")),
            ("0400", Some("0410")),
            ("0421", Some("0430")),
            ("0402", Some("0412")),
            ("0403", Some("0412")),
            ("0800", Some("0810")),
            ("0110", None),
            ("0430", None),
        ] {
            let mti = mti(asked);
            assert_eq!(mti.answer().map(|answer| answer.to_string()).as_deref(), answered, "{asked}");
            assert_eq!(mti.is_request(), answered.is_some());
            assert_eq!(mti.is_response(), answered.is_none());
        }
    }

    #[test]
    fn a_repeat_is_the_same_message_with_an_odd_last_digit() {
        for (sent, again) in [("0420", Some("0421")), ("0421", Some("0421")), ("0202", Some("0203")), ("0210", None)] {
            assert_eq!(mti(sent).repeat().map(|repeat| repeat.to_string()).as_deref(), again, "{sent}");
        }
        assert!(mti("0420").is_advice() && mti("0221").is_advice());
        assert!(!mti("0430").is_advice() && !mti("0400").is_advice());
    }
}
