//! The operators' commands about mobile carriers: `carriers`.

use clap::Subcommand;
use domain::{BankId, CarrierId, SignUpId};
use proto::operator as pb;
use serde_json::{Value, json};

use super::command::OperatorArgs;
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum CarriersCommand {
    /// Add a carrier, or change at which banks it signs people up.
    Add {
        /// The carrier's name in its certificate.
        #[arg(value_parser = typed::carrier_id)]
        id: CarrierId,
        /// What people call it.
        name: String,
        /// A bank at which it may sign people up, in the order of its turns. May be given several times.
        #[arg(long = "bank", value_name = "BANK", value_parser = typed::bank_id)]
        banks: Vec<BankId>,
    },
    /// List the carriers.
    List,
    /// Take no more from a carrier.
    Suspend {
        #[arg(value_parser = typed::carrier_id)]
        id: CarrierId,
    },
    /// Take from a carrier again.
    Resume {
        #[arg(value_parser = typed::carrier_id)]
        id: CarrierId,
    },
    /// Where a sign-up stands, and whose it became.
    SignUp {
        #[arg(value_name = "SIGN-UP", value_parser = typed::sign_up_id)]
        id: SignUpId,
    },
}

impl Operator {
    /// Adds a carrier, or changes its banks.
    pub async fn register_carrier(
        &self,
        id: &CarrierId,
        name: &str,
        banks: &[BankId],
    ) -> Result<pb::Carrier, OperatorError> {
        let carrier = pb::Carrier {
            carrier_id: id.to_string(),
            display_name: name.to_owned(),
            bank_ids: banks.iter().map(BankId::to_string).collect(),
            suspended: false,
        };
        self.put_carrier(carrier).await
    }

    async fn put_carrier(&self, carrier: pb::Carrier) -> Result<pb::Carrier, OperatorError> {
        let request = bounded(pb::RegisterCarrierRequest { carrier: Some(carrier) });
        let answer = answer(self.hub.clone().register_carrier(request)).await?;
        answer.carrier.ok_or(OperatorError::Incomplete("the carrier"))
    }

    pub async fn carriers(&self) -> Result<Vec<pb::Carrier>, OperatorError> {
        Ok(answer(self.hub.clone().list_carriers(bounded(pb::ListCarriersRequest {}))).await?.carriers)
    }

    /// Takes no more from a carrier, or takes from it again.
    pub async fn suspend_carrier(&self, id: &CarrierId, suspended: bool) -> Result<pb::Carrier, OperatorError> {
        let known = self.carriers().await?.into_iter().find(|carrier| carrier.carrier_id == id.as_str());
        let known = known.ok_or(OperatorError::Incomplete("the carrier"))?;
        self.put_carrier(pb::Carrier { suspended, ..known }).await
    }

    pub async fn inspect_sign_up(&self, id: SignUpId) -> Result<pb::InspectSignUpResponse, OperatorError> {
        let request = bounded(pb::InspectSignUpRequest { sign_up_id: id.to_string() });
        answer(self.hub.clone().inspect_sign_up(request)).await
    }
}

pub async fn carriers(args: &OperatorArgs<CarriersCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    let carriers = match &args.command {
        CarriersCommand::Add { id, name, banks } => vec![operator.register_carrier(id, name, banks).await?],
        CarriersCommand::List => operator.carriers().await?,
        CarriersCommand::Suspend { id } => vec![operator.suspend_carrier(id, true).await?],
        CarriersCommand::Resume { id } => vec![operator.suspend_carrier(id, false).await?],
        CarriersCommand::SignUp { id } => {
            inspected(&operator.inspect_sign_up(*id).await?, out);
            return Ok(());
        }
    };
    let state = |carrier: &pb::Carrier| if carrier.suspended { "suspended" } else { "" }.to_owned();
    let row = |carrier: &pb::Carrier| {
        vec![carrier.carrier_id.clone(), carrier.display_name.clone(), carrier.bank_ids.join(" "), state(carrier)]
    };
    let value = |carrier: &pb::Carrier| {
        json!({
            "carrier_id": carrier.carrier_id,
            "display_name": carrier.display_name,
            "bank_ids": carrier.bank_ids,
            "suspended": carrier.suspended,
        })
    };
    let rows: Vec<Vec<String>> = carriers.iter().map(row).collect();
    out.table(&["carrier", "name", "banks", ""], &rows, &carriers.iter().map(value).collect::<Value>());
    Ok(())
}

fn inspected(sign_up: &pb::InspectSignUpResponse, out: &Output) {
    let fields = [
        ("carrier", sign_up.carrier_id.clone()),
        ("state", sign_up.state.clone()),
        ("bank", sign_up.bank_id.clone()),
        ("account", sign_up.account_id.clone()),
        ("person", sign_up.person_id.clone()),
        ("reason", sign_up.reason.clone()),
        ("tries", sign_up.tries.to_string()),
    ];
    let value = json!({
        "carrier_id": sign_up.carrier_id,
        "state": sign_up.state,
        "bank_id": sign_up.bank_id,
        "account_id": sign_up.account_id,
        "person_id": sign_up.person_id,
        "reason": sign_up.reason,
        "tries": sign_up.tries,
    });
    out.record(&fields, &value);
}
