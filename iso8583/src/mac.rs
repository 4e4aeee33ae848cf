//! The message authentication code: where it stands and what it covers. How it is computed is the business of whoever has the
//! key.
//!
//! It covers everything from the message type, which comes after a header, up to the field that holds it, which is the last
//! one (ISO 8583:1987, fields 64 and 128).

use std::ops::Range;

use subtle::ConstantTimeEq as _;

use crate::build::MessageBuilder;
use crate::error::BuildError;
use crate::message::Message;

/// The octets of a message authentication code. An algorithm with a shorter result fills it up on the right.
pub const MAC_OCTETS: usize = 8;

/// Who computes message authentication codes: ISO/IEC 9797-1, a network's own way, a module that keeps the key.
pub trait Mac {
    type Error;

    /// The code of the octets that are covered.
    ///
    /// # Errors
    ///
    /// What kept it from computing one.
    fn mac(&self, covered: &[u8]) -> Result<[u8; MAC_OCTETS], Self::Error>;
}

impl<F, E> Mac for F
where
    F: Fn(&[u8]) -> Result<[u8; MAC_OCTETS], E>,
{
    type Error = E;

    fn mac(&self, covered: &[u8]) -> Result<[u8; MAC_OCTETS], E> {
        self(covered)
    }
}

/// What the retail MAC asks of a key of triple DES, wherever the key is.
pub trait TripleDes {
    type Error;

    /// The last block of CBC under the left half alone, from a block of zeros. What is given has whole blocks and at least one.
    ///
    /// # Errors
    ///
    /// What kept the key from being used.
    fn chain_left(&self, blocks: &[u8]) -> Result<[u8; MAC_OCTETS], Self::Error>;

    /// One block under the whole key.
    ///
    /// # Errors
    ///
    /// What kept the key from being used.
    fn encrypt(&self, block: &mut [u8; MAC_OCTETS]) -> Result<(), Self::Error>;
}

/// MAC algorithm 3 of ISO/IEC 9797-1:2011 ("retail MAC", ANSI X9.19) with padding method 1, all eight octets. The padding does not tell a
/// message from the same one with zeros behind it; an ISO 8583 message tells its own length.
///
/// # Errors
///
/// What kept the key from being used.
pub fn retail<K: TripleDes>(key: &K, covered: &[u8]) -> Result<[u8; MAC_OCTETS], K::Error> {
    // What is left of the last block; a message that ends with a whole one leaves all of that.
    let whole = covered.len().saturating_sub(1) / MAC_OCTETS * MAC_OCTETS;
    let (head, last) = covered.split_at_checked(whole).unwrap_or((&[], covered));
    let mut block = if head.is_empty() { [0; MAC_OCTETS] } else { key.chain_left(head)? };
    block.iter_mut().zip(last).for_each(|(to, from)| *to ^= from);
    // The algorithm ends with a decryption under the right half and an encryption under the left, which with the last block's own
    // encryption are triple DES.
    key.encrypt(&mut block)?;
    Ok(block)
}

/// Why a message is not what its sender sent, or that nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MacError<E> {
    /// There is no code, or fields stand behind it that it does not cover.
    #[error("the message ends without an authentication code")]
    Missing,
    #[error("the authentication code is wrong")]
    Wrong,
    #[error("the authentication code could not be computed")]
    Failed(#[source] E),
}

/// The code that a message came with, and what it covers.
#[derive(Clone, Copy)]
pub struct Sealed<'a> {
    covered: &'a [u8],
    mac: [u8; MAC_OCTETS],
}

impl std::fmt::Debug for Sealed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("covered_octets", &self.covered.len()).finish_non_exhaustive()
    }
}

impl<'a> Sealed<'a> {
    /// What the code is computed over.
    pub fn covered(&self) -> &'a [u8] {
        self.covered
    }

    /// Whether the message came with this code; takes the same time for every code.
    pub fn matches(&self, computed: &[u8; MAC_OCTETS]) -> bool {
        self.mac.ct_eq(computed).into()
    }
}

impl<'a> Message<'a> {
    /// The code of the message; none if the message does not end with the field that is for it.
    pub fn sealed(&self) -> Option<Sealed<'a>> {
        let fields = self.dialect().mac;
        let wanted =
            if self.bitmap().has_secondary() { fields.with_secondary_bitmap } else { fields.without_secondary_bitmap };
        if self.bitmap().last() != Some(wanted) {
            return None;
        }
        let field = self.field(wanted)?;
        let covered = self.frame().get(self.header().len()..field.offset())?;
        let mac = field.value().as_ref().try_into().ok()?;
        Some(Sealed { covered, mac })
    }

    /// Whether the message is as its sender sent it.
    ///
    /// # Errors
    ///
    /// See [`MacError`].
    pub fn verify<M: Mac>(&self, mac: &M) -> Result<(), MacError<M::Error>> {
        let sealed = self.sealed().ok_or(MacError::Missing)?;
        let computed = mac.mac(sealed.covered()).map_err(MacError::Failed)?;
        if sealed.matches(&computed) { Ok(()) } else { Err(MacError::Wrong) }
    }
}

/// A message that has been written with a code of zeros, and where the true one goes. For codes that are computed elsewhere
/// and later; [`MessageBuilder::write_sealed`] does both at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the message has no valid authentication code yet"]
pub struct Unsealed {
    covered: Range<usize>,
    is_hex: Option<crate::alphabet::Alphabet>,
}

impl Unsealed {
    /// What the code is computed over, in the buffer that the message was written to.
    pub fn covered<'a>(&self, written: &'a [u8]) -> &'a [u8] {
        written.get(self.covered.clone()).unwrap_or_default()
    }

    /// Puts the code into the buffer that the message was written to.
    pub fn seal(self, written: &mut [u8], mac: [u8; MAC_OCTETS]) {
        let mut octets = Vec::with_capacity(MAC_OCTETS * 2);
        match self.is_hex {
            Some(alphabet) => crate::coding::append_hex(alphabet, &mac, &mut octets),
            None => octets.extend_from_slice(&mac),
        }
        let end = self.covered.end;
        if let Some(place) = written.get_mut(end..end + octets.len()) {
            place.copy_from_slice(&octets);
        }
    }
}

impl MessageBuilder<'_> {
    /// Appends the message with a code of zeros in the field that is for it, 128 if there is a secondary bitmap and 64
    /// otherwise.
    ///
    /// # Errors
    ///
    /// As [`MessageBuilder::write`].
    pub fn write_unsealed(&mut self, out: &mut Vec<u8>) -> Result<Unsealed, BuildError> {
        let field = self.insert_mac([0; MAC_OCTETS])?;
        let begin = out.len() + usize::from(self.dialect().header_octets);
        self.write(out)?;
        let form = self.dialect().field(field).ok_or(BuildError::UnknownField { field })?.form;
        let is_hex = match form {
            crate::field::Form::Octets(crate::field::Binary::Hex(alphabet)) => Some(alphabet),
            _ => None,
        };
        Ok(Unsealed { covered: begin..out.len() - form.octets(MAC_OCTETS), is_hex })
    }

    /// Appends the message with its code.
    ///
    /// # Errors
    ///
    /// What kept the message from being built, or the code from being computed; `out` is as it was then.
    pub fn write_sealed<M: Mac>(&mut self, out: &mut Vec<u8>, mac: &M) -> Result<(), SealError<M::Error>> {
        let begin = out.len();
        let unsealed = self.write_unsealed(out).map_err(SealError::Build)?;
        match mac.mac(unsealed.covered(out)) {
            Ok(code) => {
                unsealed.seal(out, code);
                Ok(())
            }
            Err(error) => {
                out.truncate(begin);
                Err(SealError::Mac(error))
            }
        }
    }
}

/// Why there is no message with an authentication code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError<E> {
    #[error(transparent)]
    Build(BuildError),
    #[error("the authentication code could not be computed")]
    Mac(#[source] E),
}
