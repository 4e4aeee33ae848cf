//! Which fields a message has: 64 or 128 bits, the first field the highest.

use crate::alphabet::Alphabet;
use crate::coding;
use crate::dialect::BitmapCoding;

/// The last field that two bitmaps can name.
pub const LAST_FIELD: u8 = 128;

/// The bits of the primary bitmap, and those of the secondary one if there is one. Bit 1 is not a field: it says that the
/// secondary bitmap is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitmap(u128);

const SECONDARY: u128 = 1 << 127;

/// By halves, since a machine counts zeros in 64 bits at a time.
struct Fields {
    primary: u64,
    secondary: u64,
}

impl Iterator for Fields {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let (rest, first) = if self.primary == 0 { (&mut self.secondary, 65) } else { (&mut self.primary, 1) };
        let zeros = rest.leading_zeros();
        // None once all bits are gone.
        *rest &= !(1_u64 << 63).checked_shr(zeros)?;
        Some(first + zeros as u8)
    }
}

impl Bitmap {
    pub fn has(self, field: u8) -> bool {
        (2..=LAST_FIELD).contains(&field) && self.0 & bit(field) != 0
    }

    pub fn has_secondary(self) -> bool {
        self.0 & SECONDARY != 0
    }

    /// The fields, in order.
    pub fn fields(self) -> impl Iterator<Item = u8> {
        let fields = self.0 & !SECONDARY;
        Fields { primary: (fields >> 64) as u64, secondary: fields as u64 }
    }

    pub fn last(self) -> Option<u8> {
        let fields = self.0 & !SECONDARY;
        (fields != 0).then(|| LAST_FIELD - fields.trailing_zeros() as u8)
    }

    /// Adds a field, and the secondary bitmap if that has to name it. A number outside 2 to 128 is none.
    pub(crate) fn insert(&mut self, field: u8) {
        if (2..=LAST_FIELD).contains(&field) {
            self.0 |= bit(field);
            if field > 64 {
                self.0 |= SECONDARY;
            }
        }
    }

    pub(crate) fn remove(&mut self, field: u8) {
        if (2..=LAST_FIELD).contains(&field) {
            self.0 &= !bit(field);
        }
    }

    /// Sends a secondary bitmap even if it names no field.
    pub(crate) fn insert_secondary(&mut self) {
        self.0 |= SECONDARY;
    }

    fn octets(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads the bitmaps at the beginning of `frame` and says how many octets they fill.
    pub(crate) fn read(coding: BitmapCoding, frame: &[u8]) -> Result<(Self, usize), BitmapFault> {
        let primary = half(coding, frame, 0)?;
        let bitmap = Self(u128::from(primary) << 64);
        let octets = coding.octets();
        if !bitmap.has_secondary() {
            return Ok((bitmap, octets));
        }
        let secondary = half(coding, frame, octets)?;
        Ok((Self(bitmap.0 | u128::from(secondary)), octets * 2))
    }

    pub(crate) fn write(self, coding: BitmapCoding, out: &mut Vec<u8>) {
        let octets = self.octets();
        let used = octets.get(..if self.has_secondary() { 16 } else { 8 }).unwrap_or_default();
        match coding {
            BitmapCoding::Binary => out.extend_from_slice(used),
            BitmapCoding::Hex(alphabet) => coding::append_hex(alphabet, used, out),
        }
    }
}

/// What is wrong with a bitmap; the number is the place from the beginning of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitmapFault {
    Cut,
    NotHex(usize),
}

impl BitmapCoding {
    const fn octets(self) -> usize {
        match self {
            Self::Binary => 8,
            Self::Hex(_) => 16,
        }
    }
}

const fn bit(field: u8) -> u128 {
    // The callers have seen to it that the field is one of 1 to 128.
    1 << (LAST_FIELD - field)
}

fn half(coding: BitmapCoding, frame: &[u8], at: usize) -> Result<u64, BitmapFault> {
    let octets = frame.get(at..at + coding.octets()).ok_or(BitmapFault::Cut)?;
    let mut bits = [0; 8];
    match coding {
        BitmapCoding::Binary => bits.copy_from_slice(octets),
        BitmapCoding::Hex(alphabet) => {
            unhex(alphabet, octets, &mut bits).map_err(|place| BitmapFault::NotHex(at + place))?
        }
    }
    Ok(u64::from_be_bytes(bits))
}

fn unhex(alphabet: Alphabet, digits: &[u8], bits: &mut [u8; 8]) -> Result<(), usize> {
    for (at, digit) in digits.iter().enumerate() {
        let value = coding::hex_value(alphabet.character(*digit)).ok_or(at)?;
        if let Some(octet) = bits.get_mut(at / 2) {
            *octet = *octet << 4 | value;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(hex: &str) -> Vec<u8> {
        let (bitmap, octets) = Bitmap::read(BitmapCoding::Hex(Alphabet::Ascii), hex.as_bytes()).unwrap();
        assert_eq!(octets, hex.len());
        bitmap.fields().collect()
    }

    #[test]
    fn the_bitmaps_of_the_encyclopedia_name_the_fields_that_it_says() {
        // Wikipedia, "ISO 8583", section "Bitmaps"; the last is its primary and its secondary bitmap in one.
        assert_eq!(fields_of("4210001102C04804"), [2, 7, 12, 28, 32, 39, 41, 42, 50, 53, 62]);
        let fields = [2, 3, 4, 7, 11, 12, 14, 22, 24, 26, 32, 35, 37, 41, 42, 47, 49, 53, 62, 64];
        assert_eq!(fields_of("7234054128C28805"), fields);
        assert_eq!(fields_of("80000000000000010000000000000003"), [64, 127, 128]);
    }

    #[test]
    fn bits_are_put_where_they_are_read() {
        for coding in [BitmapCoding::Binary, BitmapCoding::Hex(Alphabet::Ascii), BitmapCoding::Hex(Alphabet::Ebcdic)] {
            for field in 2..=LAST_FIELD {
                let mut bitmap = Bitmap::default();
                bitmap.insert(field);
                let mut written = Vec::new();
                bitmap.write(coding, &mut written);
                let (read, octets) = Bitmap::read(coding, &written).unwrap();
                assert_eq!((read, octets), (bitmap, written.len()));
                assert_eq!(read.fields().collect::<Vec<_>>(), [field]);
                assert_eq!((read.has(field), read.last(), read.has_secondary()), (true, Some(field), field > 64));
                bitmap.remove(field);
                assert_eq!((bitmap.fields().count(), bitmap.last()), (0, None));
            }
        }
    }

    #[test]
    fn a_bitmap_that_is_cut_or_no_hexadecimal_is_refused() {
        let hex = BitmapCoding::Hex(Alphabet::Ascii);
        for (text, fault) in [
            ("", BitmapFault::Cut),
            ("4210001102C0480", BitmapFault::Cut),
            ("8210001102C04804421000", BitmapFault::Cut),
            ("4210001102c04804", BitmapFault::NotHex(10)),
            ("82100011 2C048048210001102C04804", BitmapFault::NotHex(8)),
            ("8210001102C048048210001102C0480G", BitmapFault::NotHex(31)),
        ] {
            assert_eq!(Bitmap::read(hex, text.as_bytes()), Err(fault), "{text}");
        }
        assert_eq!(Bitmap::read(BitmapCoding::Binary, &[0x80; 15]), Err(BitmapFault::Cut));
    }
}
