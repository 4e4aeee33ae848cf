//! Who operates the hub, and what waits for a second person: `operator`.

use clap::{Subcommand, ValueEnum};
use domain::{BankId, CarrierId, OperatorId, PaymentId, TerminalId};
use proto::operator as pb;
use proto::operator::proposed_act::Act;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::bins::{BinsCommand, bins};
use super::command::OperatorArgs;
use super::fees::{FeesCommand, SettlementsArgs, fees, settlements};
use super::keys::{KeysCommand, keys};
use super::limits::{LimitsCommand, limits};
use super::links::{LinksCommand, links};
use super::lookups::{LookupsCommand, lookups};
use super::{Operator, OperatorError, answer, answer_at_leisure, at_leisure, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

/// The most that the hub gives on one page.
const PAGE: i32 = 200;

#[derive(Clone, Debug, Subcommand)]
pub enum OperatorCommand {
    /// List who operates the hub.
    List,
    /// Register an operator, or change a role. Where second persons are asked for, this proposes it.
    Set {
        #[arg(value_parser = typed::operator_id)]
        id: OperatorId,
        #[arg(value_enum)]
        role: RoleWord,
        /// May do nothing for now.
        #[arg(long)]
        suspended: bool,
        /// Why, for the log.
        #[arg(long, default_value = "asked for at the command line")]
        why: String,
    },
    /// Set your own password for the console; prints the secret for an authenticator app, once.
    Console {
        /// Read the password from standard input; asked when not given.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Propose what needs a second person.
    #[command(subcommand)]
    Propose(ProposeCommand),
    /// List what waits for a second person, newest first.
    Proposals {
        /// Those that were decided, too.
        #[arg(long)]
        all: bool,
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        most: u16,
    },
    /// Approve what somebody else has proposed, and have it done.
    Approve {
        /// The proposal, as the list shows it.
        #[arg(value_name = "PROPOSAL", value_parser = typed::payment_id)]
        proposal: PaymentId,
    },
    /// Refuse a proposal, or take your own back.
    Refuse {
        /// The proposal, as the list shows it.
        #[arg(value_name = "PROPOSAL", value_parser = typed::payment_id)]
        proposal: PaymentId,
    },
    /// See whose which card numbers are, and suspend some.
    #[command(subcommand)]
    Bins(BinsCommand),
    /// See under which versions of their keys columns are, and retire old ones.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// See and set the limits on payments.
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// See and set what merchants are charged.
    #[command(subcommand)]
    Fees(FeesCommand),
    /// See what merchants are paid for a day.
    Settlements(SettlementsArgs),
    /// See the links of acquirers and card networks and the totals of their days, and let one route payments by itself.
    #[command(subcommand)]
    Links(LinksCommand),
    /// See and fill up what may be found out about whose a number is.
    #[command(subcommand)]
    Lookups(LookupsCommand),
    /// Find lines of the hub's log, newest first.
    Log {
        /// What they are about: the id of a payment, a person, a proposal.
        #[arg(long, default_value = "")]
        subject: String,
        /// Who did it.
        #[arg(long, default_value = "")]
        by: String,
        /// What sort they are, as TERMINAL_SUSPENDED.
        #[arg(long, default_value = "")]
        kind: String,
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        most: u16,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum ProposeCommand {
    /// Stop a terminal from taking payments.
    SuspendTill {
        #[arg(value_parser = typed::terminal_id)]
        id: TerminalId,
        #[arg(long)]
        why: String,
    },
    /// Let a terminal go on.
    ResumeTill {
        #[arg(value_parser = typed::terminal_id)]
        id: TerminalId,
        #[arg(long)]
        why: String,
    },
    /// Add a bank, move it to another address, suspend it or let it go on.
    Bank {
        #[arg(value_parser = typed::bank_id)]
        id: BankId,
        /// What people call it.
        name: String,
        /// Where its adapter is, https://host:port.
        endpoint: String,
        /// No new payment may use it.
        #[arg(long)]
        suspended: bool,
        #[arg(long)]
        why: String,
    },
    /// Add a mobile carrier, change at which banks it signs people up, suspend it or let it go on.
    Carrier {
        #[arg(value_parser = typed::carrier_id)]
        id: CarrierId,
        /// What people call it.
        name: String,
        /// A bank at which it may sign people up, in the order of its turns. May be given several times.
        #[arg(long = "bank", value_name = "BANK", value_parser = typed::bank_id)]
        banks: Vec<BankId>,
        /// It may neither sign up nor report anything.
        #[arg(long)]
        suspended: bool,
        #[arg(long)]
        why: String,
    },
    /// Have every notice tried again that was given up.
    RetryNotices {
        #[arg(long)]
        why: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    Viewer,
    Operator,
    Risk,
    Admin,
}

impl RoleWord {
    const fn to_pb(self) -> pb::OperatorRole {
        match self {
            Self::Viewer => pb::OperatorRole::Viewer,
            Self::Operator => pb::OperatorRole::Operator,
            Self::Risk => pb::OperatorRole::Risk,
            Self::Admin => pb::OperatorRole::Admin,
        }
    }
}

impl ProposeCommand {
    fn act(&self) -> (Act, &str) {
        let terminal = |id: &TerminalId, suspended| {
            Act::SetTerminalSuspended(pb::SetTerminalSuspendedRequest { terminal_id: id.to_string(), suspended })
        };
        match self {
            Self::SuspendTill { id, why } => (terminal(id, true), why),
            Self::ResumeTill { id, why } => (terminal(id, false), why),
            Self::Bank { id, name, endpoint, suspended, why } => {
                let bank = pb::Bank {
                    bank_id: id.to_string(),
                    display_name: name.clone(),
                    endpoint: endpoint.clone(),
                    suspended: *suspended,
                };
                (Act::RegisterBank(pb::RegisterBankRequest { bank: Some(bank) }), why)
            }
            Self::Carrier { id, name, banks, suspended, why } => {
                let carrier = pb::Carrier {
                    carrier_id: id.to_string(),
                    display_name: name.clone(),
                    bank_ids: banks.iter().map(BankId::to_string).collect(),
                    suspended: *suspended,
                };
                (Act::RegisterCarrier(pb::RegisterCarrierRequest { carrier: Some(carrier) }), why)
            }
            Self::RetryNotices { why } => (Act::RetryAllDeadLetters(pb::RetryAllDeadLettersRequest {}), why),
        }
    }
}

impl Operator {
    /// Proposes an act under a new id.
    pub async fn propose(&self, act: Act, why: &str) -> Result<pb::Proposal, OperatorError> {
        let request = bounded(pb::ProposeActRequest {
            proposal_id: self.ids.uuid()?.to_string(),
            act: Some(pb::ProposedAct { act: Some(act) }),
            why: why.to_owned(),
        });
        let proposed = answer(self.hub.clone().propose_act(request)).await?;
        proposed.proposal.ok_or(OperatorError::Incomplete("the proposal"))
    }

    /// Approves a proposal; gives it as it stands then.
    pub async fn approve(&self, proposal: PaymentId) -> Result<pb::Proposal, OperatorError> {
        // What is approved is carried out, and retiring a key counts rows.
        let request = at_leisure(pb::ApproveProposalRequest { proposal_id: proposal.to_string() });
        let approved = answer_at_leisure(self.hub.clone().approve_proposal(request)).await?;
        approved.proposal.ok_or(OperatorError::Incomplete("the proposal"))
    }

    /// Refuses a proposal, or takes one's own back.
    pub async fn refuse(&self, proposal: PaymentId) -> Result<pb::Proposal, OperatorError> {
        let request = bounded(pb::RefuseProposalRequest { proposal_id: proposal.to_string() });
        let refused = answer(self.hub.clone().refuse_proposal(request)).await?;
        refused.proposal.ok_or(OperatorError::Incomplete("the proposal"))
    }

    /// The first so many proposals, newest first.
    pub async fn proposals(&self, with_decided: bool, most: u16) -> Result<Vec<pb::Proposal>, OperatorError> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(pb::ListProposalsRequest { with_decided, page_size: PAGE, page_token });
            let page = answer(self.hub.clone().list_proposals(request)).await?;
            found.extend(page.proposals);
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= usize::from(most) {
                found.truncate(usize::from(most));
                return Ok(found);
            }
        }
    }

    /// Registers an operator, or changes one.
    pub async fn set_operator(
        &self,
        id: &OperatorId,
        role: pb::OperatorRole,
        suspended: bool,
    ) -> Result<pb::Operator, OperatorError> {
        let request = bounded(set_request(id, role, suspended));
        let set = answer(self.hub.clone().set_operator(request)).await?;
        set.operator.ok_or(OperatorError::Incomplete("the operator"))
    }

    pub async fn operators(&self) -> Result<Vec<pb::Operator>, OperatorError> {
        Ok(answer(self.hub.clone().list_operators(bounded(pb::ListOperatorsRequest {}))).await?.operators)
    }

    /// Sets one's own way into the console; gives the secret of the one-time passwords as apps read it.
    pub async fn set_console_sign_in(&self, password: &str) -> Result<String, OperatorError> {
        let request = bounded(pb::SetConsoleSignInRequest { password: password.to_owned() });
        Ok(answer(self.hub.clone().set_console_sign_in(request)).await?.totp_uri)
    }

    /// The first so many lines of the log that are asked for, newest first.
    pub async fn find_log_lines(
        &self,
        mut asked: pb::FindLogLinesRequest,
        most: u16,
    ) -> Result<Vec<pb::LogLine>, OperatorError> {
        asked.page_size = PAGE;
        let mut found = Vec::new();
        loop {
            let page = answer(self.hub.clone().find_log_lines(bounded(asked.clone()))).await?;
            found.extend(page.lines);
            asked.page_token = page.next_page_token;
            if asked.page_token.is_empty() || found.len() >= usize::from(most) {
                found.truncate(usize::from(most));
                return Ok(found);
            }
        }
    }
}

fn set_request(id: &OperatorId, role: pb::OperatorRole, suspended: bool) -> pb::SetOperatorRequest {
    let operator =
        pb::Operator { operator_id: id.to_string(), role: role.into(), suspended, ..pb::Operator::default() };
    pb::SetOperatorRequest { operator: Some(operator) }
}

pub async fn operator(args: &OperatorArgs<OperatorCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    match &args.command {
        OperatorCommand::List => print_operators(&operator.operators().await?, out),
        OperatorCommand::Set { id, role, suspended, why } => {
            match operator.set_operator(id, role.to_pb(), *suspended).await {
                Ok(set) => print_operators(&[set], out),
                Err(error) if error.reason() == Some(domain::Reason::SecondPersonNeeded) => {
                    let act = Act::SetOperator(set_request(id, role.to_pb(), *suspended));
                    print_proposals(&[operator.propose(act, why).await?], out);
                }
                Err(error) => return Err(error.into()),
            }
        }
        OperatorCommand::Console { password_stdin } => {
            let asking = |source| CliError::System { what: "a password cannot be asked for".to_owned(), source };
            let ask = || if *password_stdin { typed::secret_from_stdin() } else { typed::hidden("new password: ") };
            let uri = operator.set_console_sign_in(ask().map_err(asking)?.expose_secret()).await?;
            out.record(&[("for the authenticator app, shown this once", uri.clone())], &json!({ "totp_uri": uri }));
        }
        OperatorCommand::Propose(propose) => {
            let (act, why) = propose.act();
            print_proposals(&[operator.propose(act, why).await?], out);
        }
        OperatorCommand::Proposals { all, most } => print_proposals(&operator.proposals(*all, *most).await?, out),
        OperatorCommand::Approve { proposal } => print_proposals(&[operator.approve(*proposal).await?], out),
        OperatorCommand::Bins(command) => bins(&operator, command, out).await?,
        OperatorCommand::Keys(command) => keys(&operator, command, out).await?,
        OperatorCommand::Limits(command) => limits(&operator, command, out).await?,
        OperatorCommand::Fees(command) => fees(&operator, command, out).await?,
        OperatorCommand::Settlements(asked) => settlements(&operator, asked, out).await?,
        OperatorCommand::Links(command) => links(&operator, command, out).await?,
        OperatorCommand::Lookups(command) => lookups(&operator, command, out).await?,
        OperatorCommand::Refuse { proposal } => print_proposals(&[operator.refuse(*proposal).await?], out),
        OperatorCommand::Log { subject, by, kind, most } => {
            let asked = pb::FindLogLinesRequest {
                subject_id: subject.clone(),
                by: by.clone(),
                kind: kind.clone(),
                ..pb::FindLogLinesRequest::default()
            };
            print_lines(&operator.find_log_lines(asked, *most).await?, out);
        }
    }
    Ok(())
}

pub(super) fn at(at: Option<&prost_types::Timestamp>) -> String {
    let at = at.map(|at| jiff::Timestamp::from_microsecond(proto::from_timestamp(at).micros()));
    at.and_then(Result::ok).map(|at| at.to_string()).unwrap_or_default()
}

pub(super) fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

fn print_operators(operators: &[pb::Operator], out: &Output) {
    let row = |it: &pb::Operator| {
        let state = if it.suspended { "suspended" } else { "works" };
        let console = if it.has_console { "signs in" } else { "" };
        let role = word(it.role().as_str_name(), "OPERATOR_ROLE_");
        vec![it.operator_id.clone(), role, state.to_owned(), console.to_owned(), at(it.registered_at.as_ref())]
    };
    let value = |it: &pb::Operator| {
        json!({
            "operator_id": it.operator_id,
            "role": it.role().as_str_name(),
            "suspended": it.suspended,
            "has_console": it.has_console,
            "registered_at": at(it.registered_at.as_ref()),
        })
    };
    let rows: Vec<_> = operators.iter().map(row).collect();
    let head = ["operator", "role", "", "console", "registered"];
    out.table(&head, &rows, &operators.iter().map(value).collect::<Value>());
}

pub(super) fn print_proposals(proposals: &[pb::Proposal], out: &Output) {
    let row = |it: &pb::Proposal| {
        vec![
            it.proposal_id.clone(),
            it.summary.clone(),
            it.why.clone(),
            it.proposed_by.clone(),
            [word(it.state().as_str_name(), "PROPOSAL_STATE_"), it.failure.clone()].join(" ").trim().to_owned(),
            it.decided_by.clone(),
            at(it.expires_at.as_ref()),
        ]
    };
    let value = |it: &pb::Proposal| {
        json!({
            "proposal_id": it.proposal_id,
            "act": it.act,
            "summary": it.summary,
            "why": it.why,
            "proposed_by": it.proposed_by,
            "proposed_at": at(it.proposed_at.as_ref()),
            "expires_at": at(it.expires_at.as_ref()),
            "state": it.state().as_str_name(),
            "decided_by": it.decided_by,
            "decided_at": at(it.decided_at.as_ref()),
            "failure": it.failure,
        })
    };
    let rows: Vec<_> = proposals.iter().map(row).collect();
    let head = ["proposal", "what", "why", "by", "state", "decided by", "until"];
    out.table(&head, &rows, &proposals.iter().map(value).collect::<Value>());
}

fn print_lines(lines: &[pb::LogLine], out: &Output) {
    let row = |it: &pb::LogLine| {
        vec![at(it.occurred_at.as_ref()), it.kind.clone(), it.subject_id.clone(), it.content.clone()]
    };
    let value = |it: &pb::LogLine| {
        json!({
            "chain": it.chain,
            "sequence": it.sequence,
            "occurred_at": at(it.occurred_at.as_ref()),
            "kind": it.kind,
            "subject_id": it.subject_id,
            "content": it.content,
        })
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    out.table(&["when", "what", "about", ""], &rows, &lines.iter().map(value).collect::<Value>());
}
