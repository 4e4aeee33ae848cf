//! What a document submits: `application/x-www-form-urlencoded`, as the URL Standard of the WHATWG has it in section 5.

use zeroize::Zeroizing;

/// Fields that a form may have.
const MOST_FIELDS: usize = 16;

/// A form. Its values may be codes: they are wiped and do not show.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Form {
    /// None for what is no form: too many fields, one twice, bytes that are no text.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
        for field in text.split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=')?;
            let name = decoded(name)?.to_string();
            if fields.len() >= MOST_FIELDS || fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name, decoded(value)?));
        }
        Some(Self(fields))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn f2_a_form_is_read_as_gateways_write_it() {
        let form = Form::parse(b"call=ab12&keys=1+2%2A&caller=tel%3A%2B8613800138000&empty=").unwrap();
        assert_eq!(form.get("keys"), Some("1 2*"));
        assert_eq!(form.get("caller"), Some("tel:+8613800138000"));
        assert_eq!((form.get("empty"), form.get("none")), (Some(""), None));
        assert!(!format!("{form:?}").contains("ab12"));
        let many = "a=1&".repeat(2);
        let bad: [&[u8]; 7] = [b"x", b"a=%", b"a=%4", b"a=%zz", b"a=%ff", b"\xff=1", many.as_bytes()];
        for body in bad {
            assert!(Form::parse(body).is_none(), "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn f2_whatever_is_submitted_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Form::parse(&body);
        }
    }
}
