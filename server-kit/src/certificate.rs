//! A certificate authority for trials, demos and tests. Production brings its own, and its key never comes near here.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use domain::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock::Clock;
use crate::identity::{Principal, Role};
use crate::private_file::{self, Existing};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Certificates begin a little in the past, since no two machines' clocks agree.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// 9999-12-31T23:59:59Z, the end of time in X.509 (RFC 5280, section 4.1.2.5).
const END_OF_TIME_SECS: u64 = 253_402_300_799;

/// Why a certificate could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A name has characters that a certificate cannot carry.
    #[error("{name:?} cannot be written into a certificate")]
    Name {
        /// The name.
        name: String,
    },
    /// The authority's certificate or key cannot be read.
    #[error("the authority's certificate and key cannot be used")]
    Authority(#[source] rcgen::Error),
    /// The authority's key belongs to another certificate.
    #[error("the authority's key does not belong to its certificate")]
    KeyOfAnother,
    /// The certificate could not be signed.
    #[error("the certificate could not be made")]
    Issue(#[source] rcgen::Error),
    /// The PEM text holds no certificate.
    #[error("the text holds no certificate in PEM form")]
    Pem,
    /// A file could not be written.
    #[error("{path} could not be written")]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What the holder of a certificate may do with it in TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Only call others.
    Client,
    /// Only answer others.
    Server,
    /// Both, as the hub and the banks do.
    Both,
}

/// Everything that a certificate says. The fields are open, so that a test can make a certificate that lies.
#[derive(Debug, Clone)]
pub struct CertificateShape {
    /// The common name; nobody is known by it.
    pub common_name: Option<String>,
    /// The URIs; one, in a certificate that names somebody.
    pub uris: Vec<String>,
    /// DNS names, for callers that check the name of the machine.
    pub dns_names: Vec<String>,
    /// Addresses, likewise.
    pub addresses: Vec<IpAddr>,
    /// Not valid before this time.
    pub not_before: Timestamp,
    /// Not valid after this time.
    pub not_after: Timestamp,
    /// What it is for.
    pub usage: Usage,
}

impl CertificateShape {
    /// A certificate that names nobody and is valid for a year.
    pub fn bare(clock: &dyn Clock) -> Self {
        let now = clock.now();
        Self {
            common_name: None,
            uris: Vec::new(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            not_before: now.minus(CLOCK_SKEW),
            not_after: now.plus(DAY * 365),
            usage: Usage::Both,
        }
    }

    /// The certificate of a member, valid for a year.
    pub fn of(principal: &Principal, clock: &dyn Clock) -> Self {
        let usage = match principal.role {
            Role::Hub | Role::Bank => Usage::Both,
            Role::Identity => Usage::Server,
            Role::Terminal | Role::Carrier | Role::Operator => Usage::Client,
        };
        Self { uris: vec![principal.to_string()], usage, ..Self::bare(clock) }
    }

    /// Adds DNS names and addresses, as `localhost` or `127.0.0.1`.
    #[must_use]
    pub fn reachable_as(mut self, hosts: &[&str]) -> Self {
        for host in hosts {
            match host.parse() {
                Ok(address) => self.addresses.push(address),
                Err(_) => self.dns_names.push((*host).to_owned()),
            }
        }
        self
    }

    fn params(&self) -> Result<CertificateParams, CertificateError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = &self.common_name {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        let ia5 = |name: &String| name.as_str().try_into().map_err(|_| CertificateError::Name { name: name.clone() });
        for uri in &self.uris {
            params.subject_alt_names.push(SanType::URI(ia5(uri)?));
        }
        for name in &self.dns_names {
            params.subject_alt_names.push(SanType::DnsName(ia5(name)?));
        }
        params.subject_alt_names.extend(self.addresses.iter().copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match self.usage {
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Both => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, self.not_before, self.not_after);
        Ok(params)
    }
}

fn set_validity(params: &mut CertificateParams, not_before: Timestamp, not_after: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(not_before);
    params.not_after = epoch + since_epoch(not_after);
}

/// The whole seconds from 1970 to `at`, cut to the years that X.509 can write.
fn since_epoch(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.micros() / 1_000_000).unwrap_or(0).min(END_OF_TIME_SECS))
}

/// A certificate and its private key, both in PEM form.
#[derive(Clone)]
pub struct CertifiedPem {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS#8).
    pub key: SecretString,
}

impl CertifiedPem {
    /// The certificate in DER form.
    pub fn der(&self) -> Result<Vec<u8>, CertificateError> {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes()).map_err(|_| CertificateError::Pem)?;
        Ok(der.as_ref().to_vec())
    }

    /// Writes both, the key with mode 0600. Files that are there are replaced.
    pub fn save(&self, certificate: &Path, key: &Path) -> Result<(), CertificateError> {
        let key_bytes = self.key.expose_secret().as_bytes();
        private_file::write(key, key_bytes, Existing::Replace)
            .map_err(|source| CertificateError::Write { path: key.to_owned(), source })?;
        std::fs::write(certificate, &self.certificate)
            .map_err(|source| CertificateError::Write { path: certificate.to_owned(), source })
    }
}

impl fmt::Debug for CertifiedPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertifiedPem").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A certificate authority of one's own, with P-256 keys.
pub struct TrialAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: CertifiedPem,
}

impl TrialAuthority {
    /// A new authority called `name`, valid for ten years.
    pub fn create(name: &str, clock: &dyn Clock) -> Result<Self, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Issue)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        // No authority below this one: what it signs is always the end of a chain.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, clock.now().minus(CLOCK_SKEW), clock.now().plus(DAY * 3650));
        let certificate = params.self_signed(&key).map_err(CertificateError::Issue)?.pem();
        let pem = CertifiedPem { certificate, key: SecretString::from(key.serialize_pem()) };
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The authority that was saved.
    pub fn load(certificate_pem: &str, key_pem: &SecretString) -> Result<Self, CertificateError> {
        let key = KeyPair::from_pem(key_pem.expose_secret()).map_err(CertificateError::Authority)?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key).map_err(CertificateError::Authority)?;
        let pem = CertifiedPem { certificate: certificate_pem.to_owned(), key: key_pem.clone() };
        let der = pem.der()?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| CertificateError::Pem)?;
        if certificate.public_key().subject_public_key.data != issuer.key().public_key_raw() {
            return Err(CertificateError::KeyOfAnother);
        }
        Ok(Self { issuer, pem })
    }

    /// The authority's own certificate and key, to save them and to hand the certificate to those who trust it.
    pub fn pem(&self) -> &CertifiedPem {
        &self.pem
    }

    /// Signs a certificate of this shape for a new key.
    pub fn issue(&self, shape: &CertificateShape) -> Result<CertifiedPem, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Issue)?;
        let certificate = shape.params()?.signed_by(&key, &self.issuer).map_err(CertificateError::Issue)?;
        Ok(CertifiedPem { certificate: certificate.pem(), key: SecretString::from(key.serialize_pem()) })
    }

    /// The list of `revoked` certificates in PEM form, good for a year. A later list replaces an earlier one.
    pub fn revocation_list(&self, revoked: &[&CertifiedPem], clock: &dyn Clock) -> Result<String, CertificateError> {
        let (now, epoch) = (clock.now(), rcgen::date_time_ymd(1970, 1, 1));
        let revoked_certs = revoked.iter().map(|certificate| {
            let der = certificate.der()?;
            let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| CertificateError::Pem)?;
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(parsed.raw_serial()),
                revocation_time: epoch + since_epoch(now),
                reason_code: None,
                invalidity_date: None,
            })
        });
        let list = CertificateRevocationListParams {
            this_update: epoch + since_epoch(now.minus(CLOCK_SKEW)),
            next_update: epoch + since_epoch(now.plus(DAY * 365)),
            // Lists must have growing numbers (RFC 5280, section 5.2.3), and time grows.
            crl_number: SerialNumber::from_slice(&now.micros().to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect::<Result<_, CertificateError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).map_err(CertificateError::Issue)
    }
}

impl fmt::Debug for TrialAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrialAuthority").field("pem", &self.pem).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::ManualClock;

    fn clock() -> ManualClock {
        ManualClock::new(Timestamp::from_secs(1_800_000_000))
    }

    #[test]
    fn a_certificate_says_what_its_shape_says() {
        let authority = TrialAuthority::create("trial", &clock()).unwrap();
        let terminal = Principal::member("demo", Role::Terminal, "t-1").unwrap();
        let der = authority.issue(&CertificateShape::of(&terminal, &clock())).unwrap().der().unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.validity().not_before.timestamp(), 1_800_000_000 - 300);
        assert_eq!(certificate.validity().not_after.timestamp(), 1_800_000_000 + 365 * 86_400);
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        assert!(!certificate.is_ca());
        let authority_der = authority.pem().der().unwrap();
        let (_, authority) = X509Certificate::from_der(&authority_der).unwrap();
        assert!(authority.is_ca());
        certificate.verify_signature(Some(authority.public_key())).unwrap();
    }

    #[test]
    fn an_authority_that_was_saved_signs_again_and_its_key_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("ca.crt"), directory.path().join("ca.key"));
        TrialAuthority::create("trial", &clock()).unwrap().pem().save(&certificate, &key).unwrap();
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

        let key = SecretString::from(std::fs::read_to_string(&key).unwrap());
        let authority = TrialAuthority::load(&std::fs::read_to_string(&certificate).unwrap(), &key).unwrap();
        let der = authority.issue(&CertificateShape::bare(&clock())).unwrap().der().unwrap();
        let authority_der = authority.pem().der().unwrap();
        let (_, issuer) = X509Certificate::from_der(&authority_der).unwrap();
        X509Certificate::from_der(&der).unwrap().1.verify_signature(Some(issuer.public_key())).unwrap();
    }

    #[test]
    fn an_authority_with_the_key_of_another_is_refused() {
        let [one, other] = ["one", "other"].map(|name| TrialAuthority::create(name, &clock()).unwrap());
        let refused = TrialAuthority::load(&one.pem().certificate, &other.pem().key).unwrap_err();
        assert!(matches!(refused, CertificateError::KeyOfAnother), "{refused:?}");
    }

    #[test]
    fn no_private_key_shows_in_debug_output() {
        let authority = TrialAuthority::create("trial", &clock()).unwrap();
        assert!(!format!("{authority:?}").contains("PRIVATE"));
    }

    #[test]
    fn times_beyond_the_end_of_x509_are_cut_rather_than_a_panic() {
        let authority = TrialAuthority::create("trial", &clock()).unwrap();
        let mut shape = CertificateShape::bare(&clock());
        (shape.not_before, shape.not_after) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
        authority.issue(&shape).unwrap();
    }
}
