//! Time-based one-time passwords (RFC 6238 over RFC 4226), as authenticator apps make them: HMAC-SHA-1, 6 digits, 30 seconds.

use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

/// The length that RFC 4226, section 4, recommends.
pub(super) const SECRET_BYTES: usize = 20;
const DIGITS: u32 = 6;

/// What a browser's form brings: six digits.
#[derive(Clone)]
pub(crate) struct TotpCode(String);

impl TotpCode {
    /// Six ASCII digits; none for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fine = text.len() == DIGITS as usize && text.bytes().all(|byte| byte.is_ascii_digit());
        fine.then(|| Self(text.to_owned()))
    }

    /// Whether it is the code of this step; in constant time.
    pub(super) fn is_of(&self, secret: &[u8], step: i64) -> bool {
        let mut wanted = format!("{:06}", truncated(secret, step, 1_000_000));
        let is_it = self.0.as_bytes().ct_eq(wanted.as_bytes()).into();
        wanted.zeroize();
        is_it
    }
}

impl Drop for TotpCode {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(***)")
    }
}

/// The dynamic truncation of RFC 4226, section 5.3, below this number.
fn truncated(secret: &[u8], step: i64, below: u32) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0x0F);
    let four = bytes.get(offset..offset.saturating_add(4)).and_then(|four| <[u8; 4]>::try_from(four).ok());
    // Twenty bytes have four from each offset below sixteen.
    let number = u32::from_be_bytes(four.unwrap_or_default()) & 0x7FFF_FFFF;
    number.checked_rem(below).unwrap_or_default()
}

/// The code of a step, for those who play an authenticator app: tests and benches.
pub fn code(secret: &[u8], step: i64) -> String {
    format!("{:06}", truncated(secret, step, 1_000_000))
}

/// The secret as apps read it from a picture or from a line.
pub(super) fn uri(federation: &str, operator: &str, secret: &[u8]) -> String {
    // The names are slugs and host names, which stand in a URI as they are.
    format!("otpauth://totp/{federation}:{operator}?secret={}&issuer={federation}", base32(secret))
}

/// RFC 4648, section 6, without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut bits = 0_u64;
        for index in 0..5 {
            bits = bits << 8 | u64::from(chunk.get(index).copied().unwrap_or_default());
        }
        let letters = (chunk.len() * 8).div_ceil(5);
        for index in 0..letters {
            let five = bits >> (35 - 5 * index) & 0x1F;
            text.extend(usize::try_from(five).ok().and_then(|five| ALPHABET.get(five)).map(|byte| char::from(*byte)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the secret of its table for SHA-1.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn m9_codes_are_those_of_rfc_6238_appendix_b() {
        for (second, code) in [
            (59_i64, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(truncated(SECRET, second / 30, 100_000_000), code, "{second}");
        }
    }

    #[test]
    fn m9_codes_of_a_counter_are_those_of_rfc_4226_appendix_d() {
        let wanted =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (step, code) in (0_i64..).zip(wanted) {
            assert!(TotpCode::parse(code).unwrap().is_of(SECRET, step), "{step}");
            assert!(!TotpCode::parse(code).unwrap().is_of(SECRET, step + 1), "{step}");
        }
    }

    #[test]
    fn m9_a_code_is_six_digits_and_never_shows_itself() {
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "12 456", "-12345"] {
            assert!(TotpCode::parse(bad).is_none(), "{bad:?}");
        }
        assert_eq!(format!("{:?}", TotpCode::parse("123456").unwrap()), "TotpCode(***)");
    }

    #[test]
    fn m9_secrets_are_written_as_rfc_4648_section_10_has_it() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        let uri = uri("pay.example", "ann", SECRET);
        assert_eq!(uri, "otpauth://totp/pay.example:ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=pay.example");
    }
}
