//! Messages on a stream: each behind its length.

use zeroize::{Zeroize as _, Zeroizing};

/// How the length before a message is written; it counts the message alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthHeader {
    /// Two octets, big-endian.
    Binary2,
    /// Four digits of ASCII.
    Ascii4,
}

/// What is wrong with a frame. What follows on the stream cannot be told apart any more: the connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the length of a message is no number")]
    Malformed,
    #[error("the length of a message is zero")]
    Empty,
    #[error("a message of {length} octets is longer than {most}")]
    TooLong { length: usize, most: usize },
}

impl LengthHeader {
    pub const fn octets(self) -> usize {
        match self {
            Self::Binary2 => 2,
            Self::Ascii4 => 4,
        }
    }

    /// The longest message that it can tell.
    pub const fn reach(self) -> usize {
        match self {
            Self::Binary2 => 65_535,
            Self::Ascii4 => 9_999,
        }
    }

    fn read(self, octets: &[u8]) -> Result<usize, FrameError> {
        let mut length = 0;
        for octet in octets {
            length = match self {
                Self::Binary2 => length << 8 | usize::from(*octet),
                Self::Ascii4 if octet.is_ascii_digit() => length * 10 + usize::from(octet - b'0'),
                Self::Ascii4 => return Err(FrameError::Malformed),
            };
        }
        Ok(length)
    }

    /// Appends the length and the message.
    ///
    /// # Errors
    ///
    /// [`FrameError::Empty`] or [`FrameError::TooLong`]; nothing is appended then.
    pub fn write(self, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let (length, most) = (message.len(), self.reach());
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > most {
            return Err(FrameError::TooLong { length, most });
        }
        match self {
            Self::Binary2 => out.extend_from_slice(&[(length >> 8) as u8, length as u8]),
            Self::Ascii4 => {
                out.extend([1_000, 100, 10, 1].map(|place| b'0' + (length / place % 10) as u8));
            }
        }
        out.extend_from_slice(message);
        Ok(())
    }
}

/// Takes a stream apart into messages, from pieces of any size. It keeps at most one message that is not yet whole, never more
/// than it was told to, and nothing of a message that was announced longer than that.
///
/// How long it may wait for the rest of a message is the caller's: [`Deframer::is_within`] says that there is a rest to wait for.
pub struct Deframer {
    header: LengthHeader,
    most: usize,
    /// The length and as much of the message as has come.
    held: Zeroizing<Vec<u8>>,
    /// The message in `held` has been handed out and goes before the next piece comes.
    is_handed_out: bool,
    broken: Option<FrameError>,
}

impl Deframer {
    /// For messages of 1 to `most` octets; what the header cannot tell is refused in any case.
    pub fn new(header: LengthHeader, most: usize) -> Self {
        let most = most.min(header.reach());
        Self { header, most, held: Zeroizing::new(Vec::new()), is_handed_out: false, broken: None }
    }

    /// Takes octets from the front of `piece` until a message is whole, and gives it; none if `piece` has been used up before.
    /// Call it again for the same piece until it gives none.
    ///
    /// # Errors
    ///
    /// A length that is no number, zero, or above the most. Every later call fails in the same way.
    pub fn next<'m, 'p: 'm>(&'m mut self, piece: &mut &'p [u8]) -> Result<Option<&'m [u8]>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.is_handed_out {
            self.forget();
        }
        let header = self.header.octets();
        // A whole message in the piece is handed out where it is.
        if self.held.is_empty()
            && let Some((front, rest)) = piece.split_at_checked(header)
        {
            let length = self.length(front).map_err(|error| self.break_off(error))?;
            if let Some((message, rest)) = rest.split_at_checked(length) {
                *piece = rest;
                return Ok(Some(message));
            }
        }
        self.take(piece, header);
        if self.held.len() < header {
            return Ok(None);
        }
        let length = self.length(self.held.get(..header).unwrap_or_default()).map_err(|error| self.break_off(error))?;
        let missing = (header + length).saturating_sub(self.held.len());
        self.held.reserve_exact(missing);
        self.take(piece, header + length);
        if self.held.len() < header + length {
            return Ok(None);
        }
        self.is_handed_out = true;
        Ok(self.held.get(header..))
    }

    /// Whether a message has begun and is not whole.
    pub fn is_within(&self) -> bool {
        !self.is_handed_out && !self.held.is_empty()
    }

    /// The octets that it keeps; never more than the header and the longest message.
    pub fn held_octets(&self) -> usize {
        if self.is_handed_out { 0 } else { self.held.len() }
    }

    fn length(&self, front: &[u8]) -> Result<usize, FrameError> {
        let most = self.most;
        match self.header.read(front)? {
            0 => Err(FrameError::Empty),
            length if length > most => Err(FrameError::TooLong { length, most }),
            length => Ok(length),
        }
    }

    fn break_off(&mut self, error: FrameError) -> FrameError {
        self.forget();
        self.broken = Some(error);
        error
    }

    /// Moves octets from the piece until so many are held.
    fn take(&mut self, piece: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.held.len()).min(piece.len());
        if let Some((front, rest)) = piece.split_at_checked(missing) {
            self.held.extend_from_slice(front);
            *piece = rest;
        }
    }

    fn forget(&mut self) {
        self.held.as_mut_slice().zeroize();
        self.held.clear();
        self.is_handed_out = false;
    }
}

impl std::fmt::Debug for Deframer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deframer")
            .field("header", &self.header)
            .field("held_octets", &self.held_octets())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_and_a_message_comes_out_again() {
        for (header, wanted) in [(LengthHeader::Binary2, &[1, 4][..]), (LengthHeader::Ascii4, b"0260")] {
            let message = [7; 260];
            let mut stream = Vec::new();
            header.write(&message, &mut stream).unwrap();
            assert_eq!(&stream[..header.octets()], wanted);
            let mut deframer = Deframer::new(header, 65_535);
            let mut piece = stream.as_slice();
            assert_eq!(deframer.next(&mut piece), Ok(Some(&message[..])));
            assert_eq!(deframer.next(&mut piece), Ok(None));
            assert!(!deframer.is_within());
        }
    }

    #[test]
    fn a_message_that_comes_octet_by_octet_is_the_same() {
        let mut stream = Vec::new();
        for message in [&b"first"[..], b"2", b"the third"] {
            LengthHeader::Ascii4.write(message, &mut stream).unwrap();
        }
        let mut deframer = Deframer::new(LengthHeader::Ascii4, 9);
        let mut seen = Vec::new();
        for octet in &stream {
            let mut piece = std::slice::from_ref(octet);
            if let Some(message) = deframer.next(&mut piece).unwrap() {
                seen.push(message.to_owned());
            }
            assert!(piece.is_empty() && deframer.held_octets() <= 13);
        }
        assert_eq!(seen, [&b"first"[..], b"2", b"the third"]);
    }

    #[test]
    fn lengths_that_no_message_has_end_the_stream_for_good() {
        let long = |length, most| FrameError::TooLong { length, most };
        let table: [(LengthHeader, usize, &[u8], FrameError); 7] = [
            (LengthHeader::Binary2, 65_535, &[0, 0, 1], FrameError::Empty),
            (LengthHeader::Binary2, 4_096, &[0xFF, 0xFF, 1], long(65_535, 4_096)),
            (LengthHeader::Binary2, 4_096, &[0x10, 0x01], long(4_097, 4_096)),
            (LengthHeader::Ascii4, 9_999, b"0000", FrameError::Empty),
            (LengthHeader::Ascii4, 100, b"0101x", long(101, 100)),
            (LengthHeader::Ascii4, 100, b"01 1x", FrameError::Malformed),
            (LengthHeader::Ascii4, 100, &[0, 5, 0, 0], FrameError::Malformed),
        ];
        for (header, most, octets, error) in table {
            let mut deframer = Deframer::new(header, most);
            assert_eq!(deframer.next(&mut &octets[..]), Err(error), "{octets:?}");
            assert_eq!(deframer.next(&mut &b"0001x"[..]), Err(error));
            assert_eq!(deframer.held_octets(), 0);
            let mut slow = Deframer::new(header, most);
            let found = octets.iter().find_map(|octet| slow.next(&mut std::slice::from_ref(octet)).err());
            assert_eq!(found, Some(error), "{octets:?} octet by octet");
        }
    }

    #[test]
    fn the_longest_message_passes_and_half_of_one_is_waited_for() {
        let message = vec![9; 65_535];
        let mut stream = Vec::new();
        LengthHeader::Binary2.write(&message, &mut stream).unwrap();
        let (first, second) = stream.split_at(30_000);
        let mut deframer = Deframer::new(LengthHeader::Binary2, usize::MAX);
        assert_eq!(deframer.next(&mut &first[..]), Ok(None));
        assert!(deframer.is_within());
        assert_eq!(deframer.held_octets(), 30_000);
        assert_eq!(deframer.next(&mut &second[..]).unwrap(), Some(&message[..]));
        assert!(!deframer.is_within());
    }

    #[test]
    fn a_message_that_no_length_can_tell_is_not_written() {
        let mut out = b"kept".to_vec();
        let error = LengthHeader::Ascii4.write(&[0; 10_000], &mut out);
        assert_eq!(error, Err(FrameError::TooLong { length: 10_000, most: 9_999 }));
        assert!(LengthHeader::Binary2.write(&[0; 65_536], &mut out).is_err());
        assert_eq!(LengthHeader::Binary2.write(&[], &mut out), Err(FrameError::Empty));
        assert_eq!(out, b"kept");
    }
}
