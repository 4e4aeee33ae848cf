//! From what a standard says about a field to how a dialect writes it.

use crate::alphabet::{Alphabet, Class};
use crate::bitmap::LAST_FIELD;
use crate::field::{Binary, Digits, FieldSpec, Form, Length, Masking, Prefix, PrefixCoding};

/// A field as a standard lists it, before anybody has said how it is coded.
#[derive(Clone, Copy)]
pub(super) struct Element {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) content: Content,
    pub(super) extent: Extent,
    pub(super) masking: Masking,
}

#[derive(Clone, Copy)]
pub(super) enum Content {
    N,
    Z,
    Xn,
    Chars(Class),
    B,
}

/// The length attribute; the units are characters, of binary fields octets.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    Fixed(u16),
    Ll(u16),
    Lll(u16),
}

/// How a dialect codes each sort of content.
#[derive(Clone, Copy)]
pub(super) struct Coding {
    pub(super) fixed_digits: Digits,
    pub(super) variable_digits: Digits,
    pub(super) text: Alphabet,
    pub(super) binary: Binary,
    pub(super) prefix: PrefixCoding,
}

pub(super) type Table = [Option<FieldSpec>; LAST_FIELD as usize + 1];

pub(super) const EMPTY: Table = [None; LAST_FIELD as usize + 1];

impl Coding {
    /// Puts the elements into the table, over what is there.
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    pub(super) const fn lay(self, mut table: Table, elements: &[Element]) -> Table {
        let mut at = 0;
        while at < elements.len() {
            table[elements[at].number as usize] = Some(self.spec(elements[at]));
            at += 1;
        }
        table
    }

    const fn spec(self, element: Element) -> FieldSpec {
        let (length, digits) = match element.extent {
            Extent::Fixed(length) => (Length::Fixed(length), self.fixed_digits),
            Extent::Ll(most) => (self.variable(2, most), self.variable_digits),
            Extent::Lll(most) => (self.variable(3, most), self.variable_digits),
        };
        let form = match element.content {
            Content::N => Form::Digits(digits),
            Content::Z => Form::Track(digits),
            Content::Xn => Form::Signed(self.text, digits),
            Content::Chars(class) => Form::Text(class, self.text),
            Content::B => Form::Octets(self.binary),
        };
        FieldSpec { number: element.number, name: element.name, form, length, masking: element.masking }
    }

    const fn variable(self, digits: u8, most: u16) -> Length {
        Length::Variable { most, prefix: Prefix { digits, coding: self.prefix } }
    }
}
