//! Where e-mail goes.

use std::fmt;

use crate::Reason;

/// An address of the plain form `local@domain` (RFC 5321, section 4.1.2, without quoted strings, address literals and
/// internationalised parts): what a header or an SMTP command could mistake for more than an address is refused.
///
/// `Debug` shows the domain only.
#[derive(Clone, PartialEq, Eq)]
pub struct MailAddress(Box<str>);

impl MailAddress {
    /// RFC 5321, section 4.5.3.1.3: a path has 256 octets with its brackets.
    const MOST_OCTETS: usize = 254;

    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fine = text.len() <= Self::MOST_OCTETS
            && text.split_once('@').is_some_and(|(local, domain)| is_local(local) && is_domain(domain));
        if fine { Ok(Self(text.into())) } else { Err(Reason::MailAddressMalformed) }
    }

    /// The full address, for storage and sending; never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "***@{}", self.0.split_once('@').map_or("", |(_, domain)| domain))
    }
}

/// Atoms with dots between them (RFC 5322, section 3.2.3), 64 octets at most.
fn is_local(text: &str) -> bool {
    let is_atom_text = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= 64 && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_text))
}

/// Two or more labels of letters, digits and hyphens (RFC 1035, section 2.3.1).
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_only_a_plain_address_is_taken() {
        for good in
            ["a@b.cn", "zhao.yu+bank@mail.example.com", "o'neill@example.org", &format!("{}@b.cn", "a".repeat(64))]
        {
            assert_eq!(MailAddress::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a",
            "@b.cn",
            "a@",
            "a@b",
            "a@b..cn",
            "a@-b.cn",
            "a@b.cn\r\nBcc: c@d.cn",
            "a@b.cn>",
            "<a@b.cn>",
            "a b@c.cn",
            "a,b@c.cn",
            "a@b.cn,c@d.cn",
            "a@b@c.cn",
            "\"a\"@b.cn",
            "a@[127.0.0.1]",
            ".a@b.cn",
            "a..b@c.cn",
            "王@b.cn",
            "a\u{0}@b.cn",
            &format!("{}@b.cn", "a".repeat(65)),
            &format!("a@{}.cn", "b.".repeat(130)),
        ] {
            assert_eq!(MailAddress::parse(bad), Err(Reason::MailAddressMalformed), "{bad:?}");
        }
    }

    #[test]
    fn an_address_in_debug_output_is_masked() {
        assert_eq!(format!("{:?}", MailAddress::parse("zhao@b.cn").unwrap()), "***@b.cn");
    }
}
