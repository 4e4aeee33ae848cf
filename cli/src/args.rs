//! The command line.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::acquirer::command::AcquirerArgs;
use crate::audit::AuditArgs;
use crate::bench::command::BenchArgs;
use crate::carrier::command::CarrierArgs;
use crate::demo::DemoArgs;
use crate::dev::DevArgs;
use crate::dictionary::DictionaryCommand;
use crate::doctor::command::DoctorArgs;
use crate::effective::ConfigCommand;
use crate::hsm::command::HsmArgs;
use crate::identity_simulator::command::IdentitySimulatorArgs;
use crate::init::command::InitArgs;
use crate::keys::KeysArgs;
use crate::operator::ask::AskCommand;
use crate::operator::cards::CardCommand;
use crate::operator::carriers::CarriersCommand;
use crate::operator::command::{
    AccountCommand, BankCommand, MerchantCommand, OperatorArgs, OverviewArgs, PaymentCommand, PersonCommand,
    TillCommand,
};
use crate::operator::credit::CreditCommand;
use crate::operator::identity::IdentityCommand;
use crate::operator::network::NetworkCommand;
use crate::operator::notices::NoticesCommand;
use crate::operator::offers::OffersCommand;
use crate::operator::operators::OperatorCommand;
use crate::output::{Color, Format};
use crate::phone::command::PhoneArgs;
use crate::serve::{AdapterArgs, ServeArgs};
use crate::terminal::command::TerminalArgs;
use crate::voice::command::VoiceArgs;

const EXAMPLES: &str = "\
Examples:
  bankhub demo                                    play a day in a throw-away federation and check its books
  bankhub dev --dir ~/trial                       the same federation, to try things on
  bankhub init hub --dir ~/pay                    certificates, keys and a configuration for a hub
  bankhub hub --config ~/pay/hub/hub.toml         run it
  bankhub terminal pay +8613800138000 12.50       take a payment at a terminal
  bankhub doctor hub --config ~/pay/hub/hub.toml  look whether everything is whole

Exit codes: 0 done, 1 refused or failed, 2 typed wrongly, 3 the outcome of a payment is not known yet.";

/// The federated bank hub: servers, a real terminal, a phone in software, and the operators' tools.
#[derive(Debug, Parser)]
#[command(name = "bankhub", version, after_help = EXAMPLES, arg_required_else_help = true, max_term_width = 110)]
pub struct Cli {
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Output")]
    pub output: Format,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Output")]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play a day in a throw-away federation: a hub, two banks, terminals and phones, and one bank killed in mid-payment.
    Demo(DemoArgs),
    /// Run the demo's federation and keep it up, with sample people and commands to paste.
    Dev(DevArgs),
    /// Make an authority, certificates, keys and commented configurations.
    Init(InitArgs),
    /// Run a hub.
    Hub(ServeArgs),
    /// Run a bank's adapter, which owns the bank's ledger; or ask a running one to explain a leg or to close days.
    Adapter(AdapterArgs),
    /// Work on the key store of a bank's cards: make, take in, rotate and retire keys.
    Hsm(HsmArgs),
    /// Look at configurations.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check certificates, keys, storage, books and log of a server.
    ///
    /// On SQLite the server must be stopped: one process owns the file. Opening brings an older database up to date, as
    /// starting the server would.
    Doctor(DoctorArgs),
    /// Merchant categories, reasons and currencies of this version, in English and Chinese.
    #[command(subcommand)]
    Dictionary(DictionaryCommand),
    /// Verify, export and search the hash-chained log of a server.
    Audit(AuditArgs),
    /// Say which keys a server holds, and add those that a newer version needs.
    Keys(KeysArgs),
    /// Be a payment terminal: pay, reverse, refund, and forward what is owed.
    Terminal(TerminalArgs),
    /// Be an acquirer on a link of the hub's front for card networks: echo, pay, reverse, compare totals.
    Acquirer(AcquirerArgs),
    /// Be a person's phone: enrol, watch codes and charges, list payments, say how to be told.
    Phone(PhoneArgs),
    /// Be a mobile carrier's back end: sign people up, say what has happened to a number, and watch the answers.
    Carrier(CarrierArgs),
    /// Be a citizen-identity service that answers by rules in a file, for trials: nothing of it is true.
    IdentitySimulator(IdentitySimulatorArgs),
    /// Call the hub by telephone, as an exchange would, and list the recordings that calls need.
    Voice(VoiceArgs),
    /// Banks of the federation, for operators.
    Bank(OperatorArgs<BankCommand>),
    /// Mobile carriers that sign people up, for operators.
    Carriers(OperatorArgs<CarriersCommand>),
    /// Merchants, for operators.
    Merchant(OperatorArgs<MerchantCommand>),
    /// The merchants' terminals as the hub knows them, for operators.
    Till(OperatorArgs<TillCommand>),
    /// People and their accounts, for operators.
    Person(OperatorArgs<PersonCommand>),
    /// Let somebody set a safety code whose identity was checked, at a bank's own counter or at the hub, for operators.
    Identity(OperatorArgs<IdentityCommand>),
    /// Accounts at a bank's own counter, for operators.
    Account(OperatorArgs<AccountCommand>),
    /// Cards at a bank's own counter, for operators.
    Card(OperatorArgs<CardCommand>),
    /// Credit histories of applicants, and what a bank's existing credit system refuses to take note of, for operators.
    Credit(OperatorArgs<CreditCommand>),
    /// Charges that other networks carried, brought to a bank's own counter by its switch, for operators.
    Network(OperatorArgs<NetworkCommand>),
    /// Notices that did not reach anybody, for operators.
    Notices(OperatorArgs<NoticesCommand>),
    /// Banks' offers: filed at a bank's counter, let run at the hub, for operators.
    Offers(OperatorArgs<OffersCommand>),
    /// Ask about a person under a consent that the person has signed, for operators.
    Ask(OperatorArgs<AskCommand>),
    /// Who operates the hub, and what waits for a second person, for operators.
    Operator(OperatorArgs<OperatorCommand>),
    /// Any payment with its steps, for operators.
    Payment(OperatorArgs<PaymentCommand>),
    /// How many payments there are in which state, for operators.
    Overview(OverviewArgs),
    /// Measure empty calls and whole payments on this machine, as ratios within one run.
    Bench(BenchArgs),
    /// Print a completion script for a shell.
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("bankhub").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_examples_say_can_be_typed() {
        for line in EXAMPLES.lines().filter_map(|line| line.trim().strip_prefix("bankhub ")) {
            let command = line.split("  ").next().unwrap();
            parsed(command).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }

    #[test]
    fn r1_a_charge_of_another_network_is_typed_with_who_pays_and_where() {
        let id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        let charge = "12.50 --merchant 898310148160568 --name Noodles --category 5812 --terminal 00000042";
        for line in [
            format!("network hold bank-a {charge} --card {id}"),
            format!(
                "network offline bank-a {charge} --account {id} --place Gate --location -31.2,121.4 --item Tea=12.50"
            ),
            format!(
                "network hold bank-a {charge} --card {id} --nature cash-withdrawal --at 2026-03-01T12:30:00+08:00 --id {id}"
            ),
            format!("network post bank-a {id} 12"),
            format!("network void bank-a {id}"),
            format!("network refund bank-a {id} 1 --id {id}"),
            "network reports bank-a".to_owned(),
        ] {
            parsed(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in [
            format!("network hold bank-a {charge}"),
            format!("network hold bank-a {charge} --card {id} --account {id}"),
            format!("network hold bank-a {charge} --card {id} --at yesterday"),
            format!("network post bank-a {id} 0"),
        ] {
            assert!(parsed(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn r5_offers_and_inquiries_are_typed_with_whose_and_what_for() {
        let id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        let file = "offers file bank-a --title Tea --title-zh 茶 --text Now --text-zh 现在 --budget 10";
        for line in [
            format!("{file} --count 3 --target group:groceries --weekday friday"),
            format!("{file} --sum 100 --days 7 --from 2026-12-01T00:00:00+08:00 --id {id}"),
            format!("offers withdraw bank-a {id}"),
            format!("offers list bank-a --offer {id}"),
            "offers all --state filed".to_owned(),
            format!("offers start {id} --as op.toml"),
            format!("offers stop {id}"),
            format!("ask habits bank-a +8613800138000 王小明 --consent {id}"),
            format!("ask payments {id} --consent {id} --field amounts --field items --purpose support"),
            "phone offers agree bank-a,bank-b --most-a-week 2".to_owned(),
            "phone offers stop".to_owned(),
            format!("phone offers accept {id} --as-contact"),
            format!("phone offers decline {id}"),
            "phone allow habits bank-b --purpose loan-application --days 90".to_owned(),
            "phone allow payments anna --field amounts".to_owned(),
        ] {
            parsed(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in [
            file.to_owned(),
            format!("ask payments {id} --consent {id}"),
            "phone offers agree".to_owned(),
            "phone offers agree bank-a --most-a-week 0".to_owned(),
            "phone allow habits bank-b --purpose fun".to_owned(),
            "phone allow payments Anna --field amounts".to_owned(),
        ] {
            assert!(parsed(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn an_advice_is_named_as_the_list_shows_it() {
        use crate::operator::credit::AdviceKind;

        let leg = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        for (word, wanted) in [
            ("post", AdviceKind::Post),
            ("void", AdviceKind::Void),
            ("refund", AdviceKind::Refund),
            ("repayment", AdviceKind::Repayment),
            ("reversal", AdviceKind::Reversal),
            ("card", AdviceKind::Card),
        ] {
            let typed = parsed(&format!("credit retell bank-a {word} {leg}")).unwrap().command;
            let Command::Credit(OperatorArgs { command: CreditCommand::Retell { kind, id: named, .. }, .. }) = typed
            else {
                panic!("{word}");
            };
            assert_eq!((kind, named.to_string().as_str()), (wanted, leg));
        }
        assert!(parsed("credit stuck bank-a --as op.toml").is_ok());
        assert!(parsed("notices dead --most 10000 --as op.toml").is_ok());
        assert!(parsed(&format!("notices retry {leg}")).is_ok());
    }

    #[test]
    fn what_is_typed_wrongly_is_refused_before_anything_is_sent() {
        for line in [
            "",
            "terminal pay 13800138000 12.50",
            "terminal pay +8613800138000 0",
            "terminal pay +8613800138000 12.505",
            "terminal get 7",
            "hub",
            "init bank",
            "bank add Bank https://x:1",
            "--output xml demo",
            "adapter",
            "adapter explain bank-a 7",
            "card show bank-a 7",
            "credit retell bank-a hold 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f",
            "credit retell bank-a post 7",
            "credit stuck",
            "notices",
            "notices dead --most 0",
            "notices retry",
            "notices retry 7",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
