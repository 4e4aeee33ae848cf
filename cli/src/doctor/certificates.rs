//! What a server's certificates say, and for how long.

use std::fs;
use std::path::Path;

use domain::Timestamp;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::identity::{Principal, Role, principal_of_certificate};
use x509_parser::pem::parse_x509_pem;

use super::{Check, Files, ServerKind, Verdict};

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

pub(super) fn check(kind: ServerKind, files: &Files) -> Vec<Check> {
    let now = SystemClock.now();
    vec![
        of_member(kind, files, now),
        validity("authority", &files.tls.client_ca, now)
            .unwrap_or_else(|detail| Check::new("authority", Verdict::Bad, detail)),
    ]
}

/// The certificate names exactly this server, and is valid.
fn of_member(kind: ServerKind, files: &Files, now: Timestamp) -> Check {
    const NAME: &str = "certificate";
    let path = &files.tls.certificate;
    let named = der(path).and_then(|der| {
        principal_of_certificate(&der, &files.federation).map_err(|error| format!("{}: {error}", path.display()))
    });
    let principal = match named {
        Ok(principal) => principal,
        Err(detail) => return Check::new(NAME, Verdict::Bad, detail),
    };
    if !is_right(&principal, kind, &files.bank_id) {
        return Check::new(NAME, Verdict::Bad, format!("it names {principal}, which is not this server"));
    }
    match validity(NAME, path, now) {
        Ok(check) => Check { detail: format!("{principal}, {}", check.detail), ..check },
        Err(detail) => Check::new(NAME, Verdict::Bad, detail),
    }
}

fn is_right(principal: &Principal, kind: ServerKind, bank_id: &str) -> bool {
    match kind {
        ServerKind::Hub => principal.role == Role::Hub,
        ServerKind::Adapter => principal.role == Role::Bank && principal.id == bank_id,
    }
}

fn der(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (_, pem) = parse_x509_pem(&bytes).map_err(|_| format!("{} holds no certificate", path.display()))?;
    Ok(pem.contents)
}

fn validity(name: &str, path: &Path, now: Timestamp) -> Result<Check, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let unreadable = || format!("{} holds no certificate", path.display());
    let (_, pem) = parse_x509_pem(&bytes).map_err(|_| unreadable())?;
    let certificate = pem.parse_x509().map_err(|_| unreadable())?;
    let now = now.micros() / 1_000_000;
    let (from, until) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    if now < from {
        return Ok(Check::new(name, Verdict::Bad, "it is not valid yet"));
    }
    if now > until {
        let days = now.saturating_sub(until) / SECONDS_A_DAY;
        return Ok(Check::new(name, Verdict::Bad, format!("it ended {days} days ago")));
    }
    let days = until.saturating_sub(now) / SECONDS_A_DAY;
    Ok(Check::new(name, Verdict::Good, format!("valid for {days} more days")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::init::Authority;

    #[test]
    fn a_certificate_is_good_for_its_own_server_and_for_its_own_time() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(&folder.path().join("authority"), None).unwrap();
        let member = authority.member(Role::Bank, "bank-a", &folder.path().join("bank-a"), &[]).unwrap();
        let now = SystemClock.now();
        let check = validity("certificate", &member.certificate(), now).unwrap();
        // A second may have passed since it was made.
        let whole = ["valid for 364 more days", "valid for 365 more days"].contains(&check.detail.as_str());
        assert!(check.verdict == Verdict::Good && whole, "{check:?}");
        let later = now.plus(Duration::from_secs(400 * 24 * 60 * 60));
        assert_eq!(validity("certificate", &member.certificate(), later).unwrap().verdict, Verdict::Bad);
        let early = now.minus(Duration::from_secs(24 * 60 * 60));
        assert_eq!(validity("certificate", &member.certificate(), early).unwrap().verdict, Verdict::Bad);
        let principal = Principal::bank(authority.federation(), "bank-a").unwrap();
        assert!(is_right(&principal, ServerKind::Adapter, "bank-a"));
        assert!(!is_right(&principal, ServerKind::Adapter, "bank-b"));
        assert!(!is_right(&principal, ServerKind::Hub, ""));
    }
}
