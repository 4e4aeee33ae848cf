//! JSON Web Tokens that we sign (RFC 7515, compact form), with the two algorithms that vendors take: RS256 and ES256 (RFC 7518,
//! sections 3.3 and 3.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// Which keys a vendor gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA of 2048 bits or more, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// P-256, SHA-256.
    Es256,
}

/// A key that signs.
pub(super) enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl Key {
    /// Reads a private key in PEM form ("PRIVATE KEY", PKCS #8). None when it is none, of another sort, or too short.
    pub(super) fn read(pem: &str, algorithm: Algorithm) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let der = der.secret_pkcs8_der();
        match algorithm {
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).ok().map(Self::Rsa),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random()).ok().map(Self::P256)
            }
        }
    }

    /// A token with these claims. `key_id` is what the vendor calls the key.
    pub(super) fn sign(&self, key_id: &str, claims: &Value) -> Option<String> {
        let algorithm = match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
        };
        let header = json!({ "alg": algorithm, "kid": key_id, "typ": "JWT" });
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = [encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes())].join(".");
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random(), signed.as_bytes(), &mut signature).ok()?;
                signature
            }
            Self::P256(pair) => pair.sign(&random(), signed.as_bytes()).ok()?.as_ref().to_vec(),
        };
        Some([signed, encode(&signature)].join("."))
    }
}

/// ring takes no other randomness for signatures than its own, and what comes of it is nothing that a simulation has to repeat.
#[allow(clippy::disallowed_methods, reason = "ring's trait is sealed: no Rng of ours can be handed to it")]
fn random() -> SystemRandom {
    SystemRandom::new()
}
