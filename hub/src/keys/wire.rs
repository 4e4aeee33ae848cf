//! Keys as operators see them.

use domain::Reason;
use domain::key_rotation::Status;
use proto::operator as pb;
use server_kit::keystore::KeyName;

/// What retiring a version is called in a proposal. `Err` with `KeyUnknown`.
pub(crate) fn words(request: &pb::RetireKeyVersionRequest) -> Result<String, Reason> {
    let key = KeyName::parse(&request.key).filter(|key| key.may_rotate()).ok_or(Reason::KeyUnknown)?;
    Ok(format!("retire version {} of the key {}", request.version, key.as_str()))
}

/// How keys and columns stand.
pub(crate) fn status(Status { keys, columns }: Status) -> pb::ListKeysResponse {
    pb::ListKeysResponse {
        keys: keys.into_iter().map(Into::into).collect(),
        columns: columns.into_iter().map(Into::into).collect(),
    }
}
