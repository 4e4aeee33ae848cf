//! CVV, PVV, MACs, PIN verification values and check values, over [`Primitives`].

use domain::card::Cvv;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::HsmError;
use super::card::{CardFace, PanDigits, Pvv};
use super::device::Primitives;
use super::key::{Algorithm, Kcv, Use};
use super::pin::PvvKeyIndex;
use super::pin_block::{Pin, pack};

/// More than any message of a card, so that nobody keeps a hardware module busy with one.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// The CVV of a card: card number, expiry and service code as digits, filled with zeros to two blocks; the first under
/// single DES with the left half of the key, exclusive-or the second, under triple DES; of the result the digits, and
/// then the letters less ten (Visa, "Payment Technology Standards Manual"; IBM z/OS ICSF, "Visa CVV Service Generate").
/// Up to the digits that is a retail MAC.
pub(super) fn cvv<P: Primitives>(store: &P, key: &P::Key, card: &CardFace<'_>) -> Result<Cvv, HsmError> {
    let digits = card.digits();
    let filled = digits.iter().map(|digit| digit & 0x0F).chain(std::iter::repeat(0));
    let blocks = Zeroizing::new(pack::<16>(filled));
    let digits = decimalise(&retail_mac(store, key, &*blocks)?);
    Cvv::from_digits(digits).map_err(|_| HsmError::BadAnswer { what: "a CVV of it has no digits" })
}

/// The PVV of a PIN by the Visa method: of the card number the eleven digits before the check digit, the key's index
/// and the first four digits of the PIN, under triple DES; of the result the digits, and then the letters less ten
/// (Visa, "Payment Technology Standards Manual"; IBM z/OS ICSF, "VISA PIN algorithms").
pub(super) fn pvv<P: Primitives>(
    store: &P,
    key: &P::Key,
    pan: &PanDigits,
    index: PvvKeyIndex,
    pin: &Pin,
) -> Result<Pvv, HsmError> {
    let security_parameter = pan.before_check_digit(11).bytes().chain([index.digit()]).map(|digit| digit & 0x0F);
    let mut block = Zeroizing::new(pack::<8>(security_parameter.chain(pin.digits().iter().copied().take(4))));
    store.encrypt(key, block.as_mut_slice())?;
    Ok(Pvv::of(decimalise(&block)))
}

/// What a PIN is compared with: see [`super::PinVerificationValue`]. Both parts stand behind their lengths, so that no
/// other card number and PIN make the same message.
pub(super) fn pin_value<P: Primitives>(
    store: &P,
    key: &P::Key,
    pan: &PanDigits,
    pin: &Pin,
) -> Result<[u8; 32], HsmError> {
    let mut message = Zeroizing::new(Vec::with_capacity(64));
    message.extend_from_slice(b"bankhub pin 1");
    for part in [pan.reveal().as_bytes(), pin.digits()] {
        message.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        message.extend_from_slice(part);
    }
    store.hmac(key, &message)
}

/// As [`iso8583::mac::retail`] has it.
pub(super) fn retail_mac<P: Primitives>(store: &P, key: &P::Key, message: &[u8]) -> Result<[u8; 8], HsmError> {
    iso8583::mac::retail(&KeyAt { store, key }, message)
}

/// A key of triple DES where it is.
struct KeyAt<'k, P: Primitives> {
    store: &'k P,
    key: &'k P::Key,
}

impl<P: Primitives> iso8583::mac::TripleDes for KeyAt<'_, P> {
    type Error = HsmError;

    fn chain_left(&self, blocks: &[u8]) -> Result<[u8; 8], HsmError> {
        self.store.chain(self.key, blocks)
    }

    fn encrypt(&self, block: &mut [u8; 8]) -> Result<(), HsmError> {
        self.store.encrypt(self.key, block)
    }
}

/// The MAC of a message in 8 bytes: a retail MAC under triple DES; under AES the left half of the CMAC (NIST SP
/// 800-38B, 6.2 lets it be cut).
pub(super) fn mac<P: Primitives>(
    store: &P,
    key: &P::Key,
    algorithm: Algorithm,
    message: &[u8],
) -> Result<[u8; 8], HsmError> {
    if message.len() > LONGEST_MESSAGE {
        return Err(HsmError::TooLong);
    }
    match algorithm {
        Algorithm::Aes128 | Algorithm::Aes256 => {
            let [a, b, c, d, e, f, g, h, ..] = store.cmac(key, message)?;
            Ok([a, b, c, d, e, f, g, h])
        }
        Algorithm::TripleDes | Algorithm::HmacSha256 => retail_mac(store, key, message),
    }
}

/// The check value of a key, asked in the way in which the key may be used. A key for the transport of keys encrypts
/// nothing and has none of this kind.
pub(super) fn kcv<P: Primitives>(store: &P, key: &P::Key, algorithm: Algorithm, is_for: Use) -> Result<Kcv, HsmError> {
    let start = match (algorithm, is_for) {
        (Algorithm::TripleDes, _) => {
            let mut block = [0; 8];
            store.encrypt(key, &mut block)?;
            block.first_chunk().copied()
        }
        (Algorithm::HmacSha256, _) => store.hmac(key, &[])?.first_chunk().copied(),
        (_, Use::Macs) => store.cmac(key, &[0; 16])?.first_chunk().copied(),
        _ => cmac_of_zeros(store, key)?.first_chunk().copied(),
    };
    start.map(Kcv).ok_or(HsmError::BadAnswer { what: "a block is too short" })
}

/// Whether a key is the one that had this check value, and, where it decrypts, decrypts what it encrypts.
pub(super) fn is_same<P: Primitives>(
    store: &P,
    key: &P::Key,
    (algorithm, is_for): (Algorithm, Use),
    known: Kcv,
) -> Result<bool, HsmError> {
    if kcv(store, key, algorithm, is_for)? != known {
        return Ok(false);
    }
    if is_for != Use::PinBlocks {
        return Ok(true);
    }
    let clear: &[u8] = if algorithm == Algorithm::TripleDes { b"as it is" } else { b"as it is, always" };
    let mut block = clear.to_vec();
    store.encrypt(key, &mut block)?;
    store.decrypt(key, &mut block)?;
    Ok(block == clear)
}

/// The CMAC of one block of zeros by encryption alone (RFC 4493, 2.3 and 2.4): such a block is encrypted exclusive-or
/// twice the encryption of zeros in GF(2^128).
fn cmac_of_zeros<P: Primitives>(store: &P, key: &P::Key) -> Result<[u8; 16], HsmError> {
    let mut block = [0; 16];
    store.encrypt(key, &mut block)?;
    let zeros = u128::from_be_bytes(block);
    let doubled = (zeros << 1) ^ if zeros >> 127 == 1 { 0x87 } else { 0 };
    let mut block = doubled.to_be_bytes();
    store.encrypt(key, &mut block)?;
    Ok(block)
}

/// Whether the halves of a key are one: then triple DES is the single DES that its left half makes.
pub(super) fn is_single_des<P: Primitives>(store: &P, key: &P::Key) -> Result<bool, HsmError> {
    let mut block = [0; 8];
    store.encrypt(key, &mut block)?;
    Ok(store.chain(key, &[0; 8])?.ct_eq(&block).into())
}

/// The first `N` of: the decimal digits of `block` from left to right, then its letters less ten. As ASCII.
fn decimalise<const N: usize>(block: &[u8; 8]) -> [u8; N] {
    let nibbles = || block.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    let digits = nibbles().filter(|nibble| *nibble < 10);
    let letters = nibbles().filter(|nibble| *nibble >= 10).map(|nibble| nibble - 10);
    // Sixteen nibbles make sixteen digits, so the array is always filled.
    let mut found = digits.chain(letters);
    std::array::from_fn(|_| b'0' + found.next().unwrap_or(0))
}
