//! Looking a person up: `person find`.

use clap::{Args, ValueEnum};
use domain::{PersonId, PhoneNumber};
use proto::operator as pb;
use proto::operator::find_person_request::Who;
use serde_json::{Value, json};

use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Args)]
pub struct FindArgs {
    /// The person's id.
    #[arg(value_parser = typed::person_id, required_unless_present = "phone", conflicts_with = "phone")]
    pub person: Option<PersonId>,
    /// The whole phone number in international form.
    #[arg(long, value_parser = typed::phone_number)]
    pub phone: Option<PhoneNumber>,
    /// The whole name, where it has to be this one, too.
    #[arg(long)]
    pub name: Option<String>,
    /// What it is for; the person is told.
    #[arg(long = "for", value_name = "PURPOSE")]
    pub purpose: Purpose,
    /// Why, for the log.
    #[arg(long)]
    pub why: String,
}

/// What a person is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// The person has asked for help.
    Support,
    /// Something was reported as lost.
    Loss,
    /// Something looks like fraud.
    Fraud,
    /// The person wants to know what is stored, or an authority asks by law.
    Rights,
}

impl From<Purpose> for pb::PersonPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Support => Self::Support,
            Purpose::Loss => Self::Loss,
            Purpose::Fraud => Self::Fraud,
            Purpose::Rights => Self::Rights,
        }
    }
}

impl Operator {
    /// Looks one person up; the person is told.
    pub async fn find_person(
        &self,
        who: Who,
        name: &str,
        (purpose, why): (pb::PersonPurpose, &str),
    ) -> Result<pb::FindPersonResponse, OperatorError> {
        let request = bounded(pb::FindPersonRequest {
            lookup_id: self.ids.uuid()?.to_string(),
            who: Some(who),
            name: name.to_owned(),
            purpose: purpose.into(),
            why: why.to_owned(),
        });
        answer(self.hub.clone().find_person(request)).await
    }
}

pub async fn find(operator: &Operator, args: &FindArgs, out: &Output) -> Result<(), CliError> {
    let who = match (&args.person, &args.phone) {
        (Some(person), _) => Who::PersonId(person.to_string()),
        (None, Some(phone)) => Who::PhoneNumber(phone.as_e164().to_owned()),
        (None, None) => return Err(CliError::Usage("a person's id, or --phone".to_owned())),
    };
    let name = args.name.as_deref().unwrap_or_default();
    let found = operator.find_person(who, name, (args.purpose.into(), &args.why)).await?;
    let mut fields = vec![
        ("person", found.person_id.clone()),
        ("name", found.name_masked.clone()),
        ("phone", found.phone_number_masked.clone()),
        ("number in doubt", found.number_in_doubt.to_string()),
        ("look-ups left today", found.left_today.to_string()),
    ];
    fields.extend(found.instruments.iter().map(|it| ("pays with", instrument(it))));
    if let Some(risk) = &found.risk {
        fields.push(("wrong tries", risk.wrong_tries.to_string()));
        fields.push(("changes of the number", risk.number_changes.to_string()));
        fields.extend(risk.phones.iter().map(|it| ("phone", it.device_id.clone())));
    }
    out.record(&fields, &value(&found));
    Ok(())
}

fn instrument(it: &pb::FoundInstrument) -> String {
    let sort = if it.is_card { "card" } else { "account" };
    let notes = [(it.is_default, ", default"), (!it.active, ", not activated"), (it.frozen, ", frozen")];
    let notes: String = notes.into_iter().filter_map(|(is_so, note)| is_so.then_some(note)).collect();
    format!("{} {} ({sort}{notes})", it.bank_id, it.masked)
}

fn value(found: &pb::FindPersonResponse) -> Value {
    let instrument = |it: &pb::FoundInstrument| {
        json!({
            "bank_id": it.bank_id,
            "masked": it.masked,
            "is_card": it.is_card,
            "active": it.active,
            "is_default": it.is_default,
            "frozen": it.frozen,
        })
    };
    let risk = found.risk.as_ref().map(|risk| {
        let phones = risk.phones.iter().map(|it| json!({ "device_id": it.device_id, "revoked": it.revoked }));
        json!({
            "wrong_tries": risk.wrong_tries,
            "number_changes": risk.number_changes,
            "phones": phones.collect::<Vec<_>>(),
        })
    });
    json!({
        "person_id": found.person_id,
        "name_masked": found.name_masked,
        "phone_number_masked": found.phone_number_masked,
        "number_in_doubt": found.number_in_doubt,
        "instruments": found.instruments.iter().map(instrument).collect::<Vec<_>>(),
        "risk": risk,
        "left_today": found.left_today,
    })
}
