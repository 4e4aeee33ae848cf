//! Who is calling: a role and an id, read from the one URI in a certificate and from nowhere else.
//!
//! The name has the form of SPIFFE (the SPIFFE ID standard, section 2): `spiffe://<federation>/hub` or
//! `spiffe://<federation>/<role>/<id>`. It is compared byte by byte. The common name, DNS names and wildcards say
//! nothing about who someone is: they are neither read nor matched.

use std::fmt;

use serde::Deserialize;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What a member of the federation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The hub itself. There is one name for all its replicas.
    Hub,
    /// A payment terminal of a merchant.
    Terminal,
    /// A bank's adapter.
    Bank,
    /// A mobile carrier.
    Carrier,
    /// A citizen-identity service, which banks ask.
    Identity,
    /// A person who operates the hub.
    Operator,
}

impl Role {
    /// The role as it stands in a name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Terminal => "terminal",
            Self::Bank => "bank",
            Self::Carrier => "carrier",
            Self::Identity => "identity",
            Self::Operator => "operator",
        }
    }

    fn with_id(name: &str) -> Option<Self> {
        [Self::Terminal, Self::Bank, Self::Carrier, Self::Identity, Self::Operator]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A member of the federation, proven by its certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// The federation that vouches for the member.
    pub federation: String,
    /// What the member is.
    pub role: Role,
    /// Which one it is: 1 to 64 of `[a-z0-9-]`, and empty for the hub.
    pub id: String,
}

impl Principal {
    /// The hub of a federation.
    pub fn hub(federation: &str) -> Result<Self, IdentityError> {
        Self::parse(&format!("spiffe://{federation}/hub"), federation)
    }

    /// The bank `id` of a federation.
    pub fn bank(federation: &str, id: &str) -> Result<Self, IdentityError> {
        Self::member(federation, Role::Bank, id)
    }

    /// Any member. The id of the hub is empty.
    pub fn member(federation: &str, role: Role, id: &str) -> Result<Self, IdentityError> {
        match role {
            Role::Hub if id.is_empty() => Self::hub(federation),
            _ => Self::parse(&format!("spiffe://{federation}/{role}/{id}"), federation),
        }
    }

    /// Reads `uri` as the name of a member of `federation`.
    pub fn parse(uri: &str, federation: &str) -> Result<Self, IdentityError> {
        let rest = uri.strip_prefix("spiffe://").ok_or_else(|| IdentityError::NotSpiffe { uri: Excerpt::of(uri) })?;
        let (found, path) = rest.split_once('/').ok_or_else(|| IdentityError::Path { uri: Excerpt::of(uri) })?;
        if found != federation || !is_federation(federation) {
            return Err(IdentityError::OtherFederation { found: Excerpt::of(found) });
        }
        if path == Role::Hub.as_str() {
            return Ok(Self { federation: federation.to_owned(), role: Role::Hub, id: String::new() });
        }
        let (role, id) = path.split_once('/').ok_or_else(|| IdentityError::Path { uri: Excerpt::of(uri) })?;
        let role = Role::with_id(role).ok_or_else(|| IdentityError::Role { found: Excerpt::of(role) })?;
        if !is_id(id) {
            return Err(IdentityError::Id { found: Excerpt::of(id) });
        }
        Ok(Self { federation: federation.to_owned(), role, id: id.to_owned() })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}", self.federation, self.role)?;
        if self.role == Role::Hub { Ok(()) } else { write!(f, "/{}", self.id) }
    }
}

/// Whether `id` may name a member: 1 to 64 lower-case letters, digits and hyphens.
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether `name` may name a federation: a SPIFFE trust domain (SPIFFE ID, section 2.1) of at most 255 characters.
pub fn is_federation(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'))
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are not one X.509 certificate, or its alternative names cannot be read.
    #[error("the certificate cannot be read")]
    Malformed,
    /// There is no URI among the subject alternative names; a common name or a DNS name does not replace it.
    #[error("the certificate has no URI as subject alternative name")]
    NoUri,
    /// There is more than one URI, and nobody may choose between two names.
    #[error("the certificate has {count} URIs as subject alternative names where exactly one is allowed")]
    SeveralUris {
        /// How many there are.
        count: usize,
    },
    /// The URI has another scheme.
    #[error("{uri} is not a name of the form spiffe://federation/role/id")]
    NotSpiffe {
        /// The URI.
        uri: Excerpt,
    },
    /// The name belongs to another federation, or to none.
    #[error("{found} is not this federation")]
    OtherFederation {
        /// The federation that the certificate names.
        found: Excerpt,
    },
    /// The path is neither `hub` nor a role and an id.
    #[error("{uri} names neither the hub nor a role and an id")]
    Path {
        /// The URI.
        uri: Excerpt,
    },
    /// The role is none of the roles, or the hub with an id.
    #[error("{found} is not a role that has an id")]
    Role {
        /// What stands in its place.
        found: Excerpt,
    },
    /// The id has other characters than `[a-z0-9-]`, or more than 64.
    #[error("{found} is not an id of 1 to 64 characters of a-z, 0-9 and hyphen")]
    Id {
        /// What stands in its place.
        found: Excerpt,
    },
}

/// The beginning of a text that a stranger wrote, escaped so that it cannot forge a line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    fn of(text: &str) -> Self {
        Self(text.chars().take(96).flat_map(char::escape_default).collect())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The member of `federation` that the certificate names. Whether the certificate is genuine is checked before, by TLS.
pub fn principal_of_certificate(der: &[u8], federation: &str) -> Result<Principal, IdentityError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::Malformed)?;
    if !rest.is_empty() {
        return Err(IdentityError::Malformed);
    }
    // This also refuses a certificate that has the extension twice.
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Malformed)?;
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
        return Err(IdentityError::Malformed);
    }
    let uris: Vec<&str> =
        names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None }).collect();
    match uris.as_slice() {
        [] => Err(IdentityError::NoUri),
        [uri] => Principal::parse(uri, federation),
        several => Err(IdentityError::SeveralUris { count: several.len() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certificate::{CertificateShape, TrialAuthority};
    use crate::clock::SystemClock;

    const FEDERATION: &str = "demo.example";

    const NEARLY_A_NAME: &str =
        "(spiffe://)?(demo.example|[a-z.]{0,5})/?(hub|bank|terminal|\\PC{0,4})/?[a-zA-Z0-9%/.-]{0,9}";

    fn of_certificate(change: impl FnOnce(&mut CertificateShape)) -> Result<Principal, IdentityError> {
        let authority = TrialAuthority::create("test", &SystemClock).unwrap();
        let mut shape = CertificateShape::bare(&SystemClock);
        change(&mut shape);
        principal_of_certificate(&authority.issue(&shape).unwrap().der().unwrap(), FEDERATION)
    }

    #[test]
    fn every_role_is_read_from_its_exact_name_and_written_back() {
        for (uri, role, id) in [
            ("spiffe://demo.example/hub", Role::Hub, ""),
            ("spiffe://demo.example/terminal/t-1", Role::Terminal, "t-1"),
            ("spiffe://demo.example/bank/bank-a", Role::Bank, "bank-a"),
            ("spiffe://demo.example/carrier/c", Role::Carrier, "c"),
            ("spiffe://demo.example/operator/zhang-wei", Role::Operator, "zhang-wei"),
        ] {
            let principal = Principal::parse(uri, FEDERATION).unwrap();
            assert_eq!((principal.role, principal.id.as_str()), (role, id));
            assert_eq!(principal.to_string(), uri);
            assert_eq!(Principal::member(FEDERATION, role, id).unwrap(), principal);
        }
    }

    #[test]
    fn hostile_names_name_nobody() {
        let long = format!("spiffe://demo.example/bank/{}", "a".repeat(65));
        for uri in [
            "",
            "spiffe://",
            "spiffe://demo.example",
            "spiffe://demo.example/",
            "spiffe://demo.example//",
            "spiffe://demo.example/hub/",
            "spiffe://demo.example/hub/1",
            "spiffe://demo.example/Hub",
            "spiffe://demo.example//hub",
            "spiffe://demo.example/bank",
            "spiffe://demo.example/bank/",
            "spiffe://demo.example/bank/a/",
            "spiffe://demo.example/bank/a/b",
            "spiffe://demo.example/bank//a",
            "spiffe://demo.example/Bank/a",
            "spiffe://demo.example/bank/A",
            "spiffe://demo.example/bank/a%2Db",
            "spiffe://demo.example/bank/%61",
            "spiffe://demo.example/bank/*",
            "spiffe://demo.example/*/a",
            "spiffe://demo.example/bank/a*",
            "spiffe://demo.example/bank/../hub",
            "spiffe://demo.example/./hub",
            "spiffe://demo.example/bank/a?x=1",
            "spiffe://demo.example/bank/a#x",
            "spiffe://demo.example/bank/a\0",
            "spiffe://demo.example/bank/a\n",
            "spiffe://demo.example/bank/ a",
            "spiffe://demo.example/bank/ä",
            "spiffe://demo.example/bank/a_b",
            "spiffe://demo.example/bank/a.b",
            "spiffe://demo.example:443/hub",
            "spiffe://x@demo.example/hub",
            "spiffe://demo.example./hub",
            "spiffe://Demo.example/hub",
            "spiffe://other.example/hub",
            "spiffe://demo.example.evil/hub",
            "spiffe://*/hub",
            "SPIFFE://demo.example/hub",
            "spiffe:/demo.example/hub",
            "https://demo.example/hub",
            " spiffe://demo.example/hub",
            "spiffe://demo.example/merchant/a",
            long.as_str(),
        ] {
            assert!(Principal::parse(uri, FEDERATION).is_err(), "{uri:?} must name nobody");
        }
    }

    #[test]
    fn a_federation_that_is_no_name_matches_nobody() {
        assert!(Principal::parse("spiffe:///hub", "").is_err());
        assert!(Principal::parse("spiffe://*/hub", "*").is_err());
    }

    #[test]
    fn a_certificate_with_one_uri_names_its_principal_whatever_else_it_says() {
        let principal = of_certificate(|shape| {
            shape.common_name = Some("hub".to_owned());
            shape.dns_names = vec!["hub.demo.example".to_owned()];
            shape.uris = vec!["spiffe://demo.example/bank/bank-a".to_owned()];
        });
        assert_eq!(principal.unwrap(), Principal::bank(FEDERATION, "bank-a").unwrap());
    }

    #[test]
    fn a_common_name_or_a_dns_name_names_nobody() {
        let uri = "spiffe://demo.example/hub";
        assert_eq!(of_certificate(|shape| shape.common_name = Some(uri.to_owned())), Err(IdentityError::NoUri));
        let dns = of_certificate(|shape| shape.dns_names = vec!["hub".to_owned(), "*.demo.example".to_owned()]);
        assert_eq!(dns, Err(IdentityError::NoUri));
    }

    #[test]
    fn two_uris_name_nobody_even_when_one_is_right_or_both_are_the_same() {
        let right = "spiffe://demo.example/bank/bank-a";
        for other in [right, "spiffe://demo.example/hub", "https://example.com"] {
            let found = of_certificate(|shape| shape.uris = vec![right.to_owned(), other.to_owned()]);
            assert_eq!(found, Err(IdentityError::SeveralUris { count: 2 }));
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        assert_eq!(principal_of_certificate(b"nonsense", FEDERATION), Err(IdentityError::Malformed));
        let authority = TrialAuthority::create("test", &SystemClock).unwrap();
        let principal = Principal::hub(FEDERATION).unwrap();
        let mut der = authority.issue(&CertificateShape::of(&principal, &SystemClock)).unwrap().der().unwrap();
        assert_eq!(principal_of_certificate(&der, FEDERATION), Ok(principal));
        der.push(0);
        assert_eq!(principal_of_certificate(&der, FEDERATION), Err(IdentityError::Malformed));
    }

    #[test]
    fn an_error_quotes_a_strangers_text_shortened_and_escaped() {
        let error = Principal::parse(&format!("evil\nline{}", "x".repeat(10_000)), FEDERATION).unwrap_err();
        let text = error.to_string();
        assert!(text.len() < 300 && !text.contains('\n'), "{text}");
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_back_byte_for_byte(uri in NEARLY_A_NAME) {
            if let Ok(principal) = Principal::parse(&uri, FEDERATION) {
                prop_assert_eq!(principal.to_string(), uri);
            }
        }
    }
}
