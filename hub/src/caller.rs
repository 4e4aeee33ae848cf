//! Who calls: the name in the client certificate, for one role.

use domain::Reason;
use server_kit::identity::Role;
use server_kit::tls;
use tonic::Request;

/// The caller's name in this role.
pub(crate) fn caller<T>(request: &Request<T>, role: Role) -> Result<String, Reason> {
    Ok(tls::caller(request, &[role])?.id)
}
