//! The keys of terminals' PIN pads: SetPinPadKey.

use domain::{Reason, TerminalId};
use proto::operator as pb;
use server_kit::keystore::KeyStore;
use server_kit::store::{Store, StoreError, Table, Tx};
use tonic::Status;
use uuid::Uuid;

use super::changes::{Change, Done, Log};
use super::operator::{OperatorApi, mismatch};
use super::{sealed, sql};
use crate::errand::{PadKey, seal_pad_key};
use crate::hex;

const PIN_PADS: Table =
    Table { name: "pin_pads", key: &["terminal_id"], columns: &["terminal_id", "version", "sealed_key", "set_at"] };

/// Gives the hub the key of a terminal's PIN pad, or another one.
#[derive(Debug)]
pub(super) struct SetPinPadKey {
    terminal_id: TerminalId,
    key: PadKey,
}

impl SetPinPadKey {
    pub(super) fn read(request: pb::SetPinPadKeyRequest) -> Result<Self, Reason> {
        // First the key, so that it is wiped whatever else cannot be read.
        let key = PadKey::read(request.key, &request.check_value);
        Ok(Self { terminal_id: TerminalId::parse(&request.terminal_id)?, key: key? })
    }

    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Log<'_>,
        keys: &dyn KeyStore,
    ) -> Result<Result<Done, Reason>, StoreError> {
        if sql::load_terminal(tx, &self.terminal_id).await?.is_none() {
            return Ok(Err(Reason::TerminalUnknown));
        }
        let rows = tx
            .fetch(
                "SELECT version, sealed_key FROM pin_pads WHERE terminal_id = $1",
                vec![self.terminal_id.as_str().into()],
            )
            .await?;
        let version = rows.first().map_or(Ok(0), |row| row.int(0))?;
        if let Some(row) = rows.first() {
            let before = PadKey::opened(keys, &self.terminal_id, &row.bytes(1)?).map_err(sealed::unusable)?;
            if before.is(&self.key) {
                return Ok(Ok(Done::PinPad(version)));
            }
        }
        let sealed = seal_pad_key(keys, &self.terminal_id, &self.key).map_err(sealed::unusable)?;
        let row = vec![self.terminal_id.as_str().into(), (version + 1).into(), sealed.into(), tx.now().into()];
        tx.put(&PIN_PADS, vec![row]).await?;
        let check = hex::encode(&self.key.check_value());
        let content = format!("terminal={} version={} check_value={check}", self.terminal_id, version + 1);
        log.add("PIN_PAD_KEY_SET", Uuid::nil(), &content);
        Ok(Ok(Done::PinPad(version + 1)))
    }
}

/// The key as it is stored; none for a terminal whose PIN pad has none here.
pub(super) async fn read_sealed(store: &Store, terminal: &TerminalId) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT sealed_key FROM pin_pads WHERE terminal_id = $1";
    store.fetch_one(sql, vec![terminal.as_str().into()]).await?.map(|row| row.bytes(0)).transpose()
}

impl OperatorApi {
    /// Takes a key in, in a call of an operator.
    pub(super) async fn set_pad_key(
        &self,
        operator: String,
        request: pb::SetPinPadKeyRequest,
    ) -> Result<pb::SetPinPadKeyResponse, Status> {
        let change = SetPinPadKey::read(request).map_err(proto::status)?;
        match self.change(operator, Change::PinPad(change)).await? {
            Done::PinPad(version) => Ok(pb::SetPinPadKeyResponse { version }),
            other => Err(mismatch(&other)),
        }
    }
}
