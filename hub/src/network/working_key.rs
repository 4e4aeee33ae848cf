//! The working keys of a link: triple DES of double length, as card networks still have it.

use std::convert::Infallible;
use std::fmt;

use cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use des::{Des, TdesEde2};
use domain::card::pin_block::pack;
use domain::card::{Pan, Pin};
use domain::{PhoneNumber, Reason, TransactionPassword};
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::rng::{Rng, RngError};
use zeroize::Zeroizing;

use crate::hex;

/// A key of 16 octets, prepared. The ciphers wipe themselves when they are dropped.
#[derive(Clone)]
pub struct WorkingKey {
    whole: TdesEde2,
    left: Des,
}

impl fmt::Debug for WorkingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkingKey(…)")
    }
}

/// The keys of a connection.
#[derive(Clone, Debug)]
pub(super) struct WorkingKeys {
    pub(super) mac: Option<WorkingKey>,
    pub(super) pin: WorkingKey,
}

/// A new key as the other side is told it: under the exchange key, and its check value.
#[derive(Debug)]
pub struct HandedOut {
    pub key: WorkingKey,
    /// 32 hexadecimal digits of the key under the exchange key, and 6 of its check value.
    pub told: String,
}

impl WorkingKey {
    /// Reads 32 hexadecimal digits; none for anything else, and for halves that are the same, which is single DES.
    pub fn read(secret: &SecretString) -> Option<Self> {
        let digits = Zeroizing::new(secret.expose_secret().trim().to_ascii_lowercase());
        let bytes = Zeroizing::new(hex::decode(&digits)?);
        Self::of(bytes.as_slice().try_into().ok()?)
    }

    /// None for halves that are the same.
    pub fn of(bytes: &[u8; 16]) -> Option<Self> {
        let (left, right) = bytes.split_at_checked(8)?;
        if left == right {
            return None;
        }
        Some(Self { whole: TdesEde2::new_from_slice(bytes).ok()?, left: Des::new_from_slice(left).ok()? })
    }

    /// As [`iso8583::mac::retail`] has it.
    pub fn mac(&self, covered: &[u8]) -> [u8; 8] {
        match iso8583::mac::retail(self, covered) {
            Ok(code) => code,
            Err(never) => match never {},
        }
    }

    /// The same as `iso8583::mac::Mac`.
    pub fn as_mac(&self) -> impl Fn(&[u8]) -> Result<[u8; 8], Infallible> + '_ {
        |covered| Ok(self.mac(covered))
    }

    /// The transaction password in a PIN block of format 0 (ISO 9564-1:2017), where the twelve last digits of the phone number stand for
    /// those of a card. `Err(PinBlockUnreadable)` for what opens to nothing else.
    pub fn open_password(&self, block: &[u8; 8], phone: &PhoneNumber) -> Result<TransactionPassword, Reason> {
        let mut field = Zeroizing::new(*block);
        self.whole.decrypt_block((&mut *field).into());
        field.iter_mut().zip(phone_field(phone)).for_each(|(to, with)| *to ^= with);
        let nibbles: Zeroizing<Vec<u8>> =
            Zeroizing::new(field.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect());
        let Some((head, rest)) = nibbles.split_at_checked(2) else { return Err(Reason::PinBlockUnreadable) };
        let Some((digits, filler)) = rest.split_at_checked(TransactionPassword::DIGITS) else {
            return Err(Reason::PinBlockUnreadable);
        };
        // All is looked at before anything is said, so that it takes the same time whatever is wrong.
        let is_headed = head.iter().zip([0, 6]).fold(true, |fine, (found, wanted)| fine & (*found == wanted));
        let is_filled = filler.iter().fold(true, |fine, nibble| fine & (*nibble == 0xF));
        let are_digits = digits.iter().fold(true, |fine, digit| fine & (*digit <= 9));
        if !(is_headed & is_filled & are_digits) {
            return Err(Reason::PinBlockUnreadable);
        }
        let text: Zeroizing<String> = Zeroizing::new(digits.iter().map(|digit| char::from(b'0' + digit)).collect());
        TransactionPassword::parse(&text).map_err(|_| Reason::PinBlockUnreadable)
    }

    /// The block that [`WorkingKey::open_password`] opens.
    pub fn close_password(&self, password: &str, phone: &PhoneNumber) -> [u8; 8] {
        let digits = password.bytes().map(|digit| digit & 0x0F);
        let mut block: [u8; 8] = pack([0, 6].into_iter().chain(digits).chain(std::iter::repeat(0xF)));
        block.iter_mut().zip(phone_field(phone)).for_each(|(to, with)| *to ^= with);
        self.whole.encrypt_block((&mut block).into());
        block
    }

    /// A card's PIN in a block of format 0 (ISO 9564-1:2017). `Err(PinBlockUnreadable)` for what opens to nothing else.
    pub fn open_pin(&self, block: &[u8; 8], pan: &Pan) -> Result<Pin, Reason> {
        let mut field = Zeroizing::new(*block);
        self.whole.decrypt_block((&mut *field).into());
        field.iter_mut().zip(pan_field(pan)).for_each(|(to, with)| *to ^= with);
        let nibbles: Zeroizing<Vec<u8>> =
            Zeroizing::new(field.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect());
        let [control, length, rest @ ..] = nibbles.as_slice() else { return Err(Reason::PinBlockUnreadable) };
        let length = usize::from(*length);
        let pin = Pin::from_digits(length, rest.iter().copied()).map_err(|_| Reason::PinBlockUnreadable)?;
        let is_filled = rest.iter().skip(length).fold(true, |fine, nibble| fine & (*nibble == 0xF));
        if (*control == 0) & is_filled { Ok(pin) } else { Err(Reason::PinBlockUnreadable) }
    }

    /// The block that [`WorkingKey::open_pin`] opens.
    pub fn close_pin(&self, pin: &Pin, pan: &Pan) -> [u8; 8] {
        let mut block = *pin.field(0x0, 0xF);
        block.iter_mut().zip(pan_field(pan)).for_each(|(to, with)| *to ^= with);
        self.whole.encrypt_block((&mut block).into());
        block
    }

    /// Opens a key that was told as [`HandedOut::told`]; none if it is not, or its check value is another one.
    pub fn open_key(&self, told: &str) -> Option<Self> {
        let (wrapped, check) = told.split_at_checked(32)?;
        let mut bytes = Zeroizing::new(hex::decode(&wrapped.to_ascii_lowercase())?);
        let (halves, _) = bytes.as_chunks_mut::<8>();
        halves.iter_mut().for_each(|half| self.whole.decrypt_block(half.into()));
        let key = Self::of(bytes.as_slice().try_into().ok()?)?;
        (key.check_value().eq_ignore_ascii_case(check)).then_some(key)
    }

    /// The first three octets of zeros under the key (ANSI X9.24-1, annex on check values), as hexadecimal digits.
    pub fn check_value(&self) -> String {
        let mut block = [0; 8];
        self.whole.encrypt_block((&mut block).into());
        hex::encode(block.get(..3).unwrap_or_default())
    }

    /// Makes a new key, and tells it under this one.
    pub fn hand_out(&self, rng: &dyn Rng) -> Result<HandedOut, RngError> {
        let mut bytes = Zeroizing::new([0; 16]);
        rng.fill(&mut *bytes)?;
        // Odd parity in each octet, which some modules ask for (FIPS 46-3).
        bytes.iter_mut().for_each(|byte| *byte = *byte & 0xFE | u8::from((*byte & 0xFE).count_ones() % 2 == 0));
        let key = Self::of(&bytes).ok_or(RngError)?;
        let mut wrapped = *bytes;
        let (halves, _) = wrapped.as_chunks_mut::<8>();
        halves.iter_mut().for_each(|half| self.whole.encrypt_block(half.into()));
        let told = (hex::encode(&wrapped) + &key.check_value()).to_ascii_uppercase();
        Ok(HandedOut { key, told })
    }
}

impl iso8583::mac::TripleDes for WorkingKey {
    type Error = Infallible;

    fn chain_left(&self, blocks: &[u8]) -> Result<[u8; 8], Infallible> {
        let mut block = [0; 8];
        for piece in blocks.chunks(8) {
            block.iter_mut().zip(piece).for_each(|(to, from)| *to ^= from);
            self.left.encrypt_block((&mut block).into());
        }
        Ok(block)
    }

    fn encrypt(&self, block: &mut [u8; 8]) -> Result<(), Infallible> {
        self.whole.encrypt_block(block.into());
        Ok(())
    }
}

/// Format 0's second field: four zeros and the twelve digits before the check digit.
fn pan_field(pan: &Pan) -> [u8; 8] {
    let digits = pan.reveal().as_bytes();
    let before_check = digits.split_last().map_or(digits, |(_, before)| before);
    let last = before_check.get(before_check.len().saturating_sub(12)..).unwrap_or_default();
    pack(std::iter::repeat_n(0, 16 - last.len()).chain(last.iter().map(|digit| digit & 0x0F)))
}

/// The same with a phone number: four zeros and twelve digits.
fn phone_field(phone: &PhoneNumber) -> [u8; 8] {
    let digits: Vec<u8> = phone.as_e164().bytes().filter(u8::is_ascii_digit).map(|digit| digit & 0x0F).collect();
    let last = digits.get(digits.len().saturating_sub(12)..).unwrap_or_default();
    pack(std::iter::repeat_n(0, 16 - last.len()).chain(last.iter().copied()))
}

#[cfg(test)]
mod tests {
    use server_kit::rng::SystemRng;

    use super::*;

    fn key() -> WorkingKey {
        WorkingKey::read(&SecretString::from("0123456789ABCDEFFEDCBA9876543210")).unwrap()
    }

    /// The vectors of bank-adapter's own key store, which come from IBM's and psec's publications.
    #[test]
    fn m7_a_key_has_its_check_value_and_is_not_shown() {
        assert_eq!(key().check_value(), "08d7b4");
        assert_eq!(format!("{:?}", key()), "WorkingKey(…)");
        for bad in ["", "00", "0123456789ABCDEF0123456789ABCDEF", "0123456789ABCDEFFEDCBA987654321x"] {
            assert!(WorkingKey::read(&SecretString::from(bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn m7_a_password_comes_out_of_its_block_with_its_own_number_alone() {
        let (phone, other) =
            (PhoneNumber::parse("+8613800138000").unwrap(), PhoneNumber::parse("+8613800138001").unwrap());
        let block = key().close_password("246810", &phone);
        assert_eq!(key().open_password(&block, &phone).unwrap().reveal(), "246810");
        assert_eq!(key().open_password(&[0; 8], &phone).err(), Some(Reason::PinBlockUnreadable));
        assert_ne!(
            key().open_password(&block, &other).ok().map(|it| it.reveal().to_owned()),
            Some("246810".to_owned())
        );
    }

    /// The clear field is laid out as ISO 9564-1 says: 04 1234 FF… and four zeros with the twelve digits before the check digit.
    #[test]
    fn m7_a_pin_comes_out_of_its_block_with_its_own_card_alone() {
        let (pan, other) = (Pan::parse("6228480000000015").unwrap(), Pan::parse("4111111111111111").unwrap());
        for typed in ["1234", "271828", "123456789012"] {
            let block = key().close_pin(&Pin::parse(typed).unwrap(), &pan);
            assert_eq!(key().open_pin(&block, &pan).unwrap().digits(), Pin::parse(typed).unwrap().digits());
            let opened = key().open_pin(&block, &other).ok().map(|pin| pin.digits().to_vec());
            assert_ne!(opened.as_deref(), Some(Pin::parse(typed).unwrap().digits()));
        }
        let published = Pan::parse("5555555555554444").unwrap();
        let mut clear = key().close_pin(&Pin::parse("1234").unwrap(), &published);
        key().whole.decrypt_block((&mut clear).into());
        assert_eq!(clear, 0x0412_61AA_AAAA_ABBB_u64.to_be_bytes());
        assert!(matches!(key().open_pin(&[0; 8], &pan), Err(Reason::PinBlockUnreadable)));
    }

    #[test]
    fn m7_a_code_covers_every_octet_and_the_order() {
        let key = key();
        assert_ne!(key.mac(b"12345678abcdefgh"), key.mac(b"abcdefgh12345678"));
        assert_ne!(key.mac(b"1234567"), key.mac(b"1234568"));
        assert_eq!(key.mac(b"1234567"), key.mac(b"1234567\0"), "padding method 1");
        assert_eq!(key.mac(b""), key.mac(&[0; 8]));
    }

    #[test]
    fn m7_a_new_key_is_told_under_the_exchange_key() {
        let (exchange, rng) = (key(), SystemRng::new());
        let HandedOut { key, told } = exchange.hand_out(&rng).unwrap();
        let opened = exchange.open_key(&told).unwrap();
        assert!(exchange.open_key(&told.replace(&told[32..], "000000")).is_none());
        let mut bytes = hex::decode(&told[..32].to_ascii_lowercase()).unwrap();
        for half in bytes.as_chunks_mut::<8>().0 {
            exchange.whole.decrypt_block(half.into());
            assert!(half.iter().all(|byte| byte.count_ones() % 2 == 1));
        }
        assert_eq!(opened.mac(b"a message"), key.mac(b"a message"));
    }
}
