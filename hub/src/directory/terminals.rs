//! Terminals of merchants: RegisterTerminal, SetTerminalSuspended.

use domain::purchase::{Location, Terminal};
use domain::text::Line;
use domain::{MerchantId, Reason, TerminalId};
use proto::{common, operator as pb};
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::changes::{Done, Log};
use super::sql;

/// Adds a terminal of a merchant.
#[derive(Debug)]
pub(super) struct RegisterTerminal {
    pub(super) id: TerminalId,
    merchant_id: MerchantId,
    place: Option<Line>,
    location: Option<Location>,
    suspended: bool,
}

impl RegisterTerminal {
    pub(super) fn read(request: pb::RegisterTerminalRequest) -> Result<Self, Reason> {
        let terminal = request.terminal.ok_or(Reason::FieldMissing)?;
        let place = if terminal.place.is_empty() { None } else { Some(Line::parse(&terminal.place)?) };
        let location = terminal.location.as_ref().map(proto::to_location).transpose()?;
        Ok(Self {
            id: TerminalId::parse(&terminal.terminal_id)?,
            merchant_id: MerchantId::parse(&terminal.merchant_id)?,
            place,
            location: location.map(|(latitude, longitude)| Location { latitude, longitude }),
            suspended: terminal.suspended,
        })
    }

    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        if let Some(known) = sql::load_terminal(tx, &self.id).await? {
            // Whether it is suspended is not content but state, which has a call of its own: the same registration
            // again must not let a suspended terminal go on.
            let known = known.value;
            let same =
                known.merchant.id == self.merchant_id && known.place == self.place && known.location == self.location;
            return Ok(if same { Ok(Done::Terminal(known)) } else { Err(Reason::NameTaken) });
        }
        let Some(merchant) = sql::load_merchant(tx, &self.merchant_id).await? else {
            return Ok(Err(Reason::MerchantUnknown));
        };
        let terminal = Terminal {
            id: self.id.clone(),
            merchant,
            place: self.place.clone(),
            location: self.location,
            suspended: self.suspended,
        };
        sql::put_terminal(tx, &terminal, 1).await?;
        let content = format!("terminal={} merchant={} suspended={}", self.id, self.merchant_id, self.suspended);
        log.add("TERMINAL_REGISTERED", Uuid::nil(), &content);
        Ok(Ok(Done::Terminal(terminal)))
    }
}

/// Suspends a terminal, or lets it go on.
#[derive(Debug)]
pub(super) struct SuspendTerminal {
    pub(super) id: TerminalId,
    suspended: bool,
}

impl SuspendTerminal {
    pub(super) fn read(request: &pb::SetTerminalSuspendedRequest) -> Result<Self, Reason> {
        Ok(Self { id: TerminalId::parse(&request.terminal_id)?, suspended: request.suspended })
    }

    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let Some(known) = sql::load_terminal(tx, &self.id).await? else {
            // For terminals an unknown terminal is a denial; for an operator the catalogue has no other word for it.
            return Ok(Err(Reason::TerminalUnknown));
        };
        if known.value.suspended == self.suspended {
            return Ok(Ok(Done::Terminal(known.value)));
        }
        let terminal = Terminal { suspended: self.suspended, ..known.value };
        sql::put_terminal(tx, &terminal, known.version + 1).await?;
        let kind = if self.suspended { "TERMINAL_SUSPENDED" } else { "TERMINAL_RESUMED" };
        log.add(kind, Uuid::nil(), &format!("terminal={}", self.id));
        Ok(Ok(Done::Terminal(terminal)))
    }
}

pub(super) fn to_pb(terminal: &Terminal) -> pb::Terminal {
    pb::Terminal {
        terminal_id: terminal.id.to_string(),
        merchant_id: terminal.merchant.id.to_string(),
        place: terminal.place.as_ref().map(ToString::to_string).unwrap_or_default(),
        location: terminal.location.map(|Location { latitude, longitude }| common::Location { latitude, longitude }),
        suspended: terminal.suspended,
    }
}
