//! Who calls: the role and name of the client certificate, or the reason why there is none.

use domain::Reason;
use server_kit::identity::Role;
use server_kit::tls;
use tonic::Request;

/// The caller's name in this role.
pub(crate) fn caller<T>(request: &Request<T>, role: Role) -> Result<String, Reason> {
    let peer = tls::peer(request).ok_or(Reason::CertificateMissing)?;
    match (&peer.principal, &peer.refused) {
        (Some(principal), _) if principal.role == role => Ok(principal.id.clone()),
        (Some(_), _) => Err(Reason::RoleNotAllowed),
        (None, Some(_)) => Err(Reason::CertificateRefused),
        (None, None) => Err(Reason::CertificateMissing),
    }
}
