//! Any message that a table allows.

use super::Sample;
use crate::alphabet::Class;
use crate::dialect::Dialect;
use crate::field::{FieldSpec, Form, Length};
use crate::mti::Mti;

/// Makes messages of a dialect with any fields and values that its table allows, lengths at their ends more often than by
/// chance. The same seed makes the same messages.
#[derive(Clone, Debug)]
pub struct AnyMessage {
    state: u64,
}

impl AnyMessage {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A message with each field that `may_have` it at about even odds; one in four has fields of the primary bitmap alone.
    pub fn message(&mut self, dialect: &Dialect, mut may_have: impl FnMut(&FieldSpec) -> bool) -> Sample {
        let last = if self.below(4) == 0 { 64 } else { 128 };
        let odds = self.below(5) + 1;
        let mut fields = Vec::new();
        for spec in dialect.fields().filter(|spec| spec.number <= last) {
            if self.below(6) < odds && may_have(spec) {
                fields.push((spec.number, self.value(spec)));
            }
        }
        let header = (0..dialect.header_octets).map(|_| self.octet()).collect();
        Sample { mti: self.mti(dialect), header, fields }
    }

    /// A value of the field, as [`crate::Field::value`] would give it.
    pub fn value(&mut self, spec: &FieldSpec) -> Vec<u8> {
        let length = match spec.length {
            Length::Fixed(length) => length,
            Length::Variable { most, .. } => match self.below(8) {
                0 => 1,
                1 => most,
                // Messages of a usual size, most of the time.
                2 => self.below(u64::from(most)) as u16 + 1,
                _ => self.below(u64::from(most.min(40))) as u16 + 1,
            },
        };
        let length = usize::from(length);
        let separator = self.below(length as u64 * 2) as usize;
        (0..length)
            .map(|at| match spec.form {
                Form::Digits(_) => self.digit(),
                Form::Track(_) => {
                    if at == separator {
                        b'='
                    } else {
                        self.digit()
                    }
                }
                Form::Signed(..) if at == 0 => {
                    if self.below(2) == 0 {
                        b'C'
                    } else {
                        b'D'
                    }
                }
                Form::Signed(..) => self.digit(),
                Form::Text(class, alphabet) => self.character(|character| {
                    class.allows(character) && (class != Class::National || alphabet.octet(character) != 0)
                }),
                Form::Octets(_) => self.octet(),
            })
            .collect()
    }

    fn mti(&mut self, dialect: &Dialect) -> Mti {
        loop {
            let digits = [0; 4].map(|_: u8| self.below(10) as u8);
            if let Some(mti) = Mti::from_digits(digits).filter(|mti| mti.version() == dialect.version) {
                return mti;
            }
        }
    }

    fn character(&mut self, is_allowed: impl Fn(u8) -> bool) -> u8 {
        loop {
            let octet = self.octet();
            if is_allowed(octet) {
                return octet;
            }
        }
    }

    fn digit(&mut self) -> u8 {
        b'0' + self.below(10) as u8
    }

    fn octet(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// A number below `bound`, which is small.
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
