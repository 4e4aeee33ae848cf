//! What a one-time code is bound to, and its keyed hash (M5).

use domain::{OneTimeCode, PaymentId};
use server_kit::keystore::{KeyError, KeyName, KeyStore};

/// What a code is bound to besides itself: the payment, the amount, the payee (the terminal and its merchant), and the epoch of the payer's
/// number.
pub(super) fn code_context(
    id: PaymentId,
    amount: domain::Money,
    (terminal, merchant): (&str, &str),
    epoch: i64,
) -> Vec<u8> {
    let mut context = id.uuid().as_bytes().to_vec();
    context.extend_from_slice(&amount.minor.to_be_bytes());
    context.extend_from_slice(&epoch.to_be_bytes());
    context.extend_from_slice(amount.currency.code().as_bytes());
    context.extend_from_slice(terminal.as_bytes());
    // No name has this character, so that nothing of the one passes for the other.
    context.push(b'\n');
    context.extend_from_slice(merchant.as_bytes());
    context
}

pub(super) fn code_mac(keys: &dyn KeyStore, code: &OneTimeCode, context: &[u8]) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::OneTimeCode, &[code.reveal().as_bytes(), context])
}
