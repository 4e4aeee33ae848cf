//! `bankhub init`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use server_kit::identity::Role;

use super::{
    Authority, CardRange, InitError, Member, ServerSettings, adapter_toml, carrier_toml, hub_toml,
    identity_simulator_toml, operator_toml, terminal_toml,
};
use crate::error::CliError;
use crate::output::{Output, Tone};

const EXAMPLES: &str = "\
Examples:
  bankhub init hub --dir pay --federation pay.example --host hub.pay.example --admin ann --admin bob
  bankhub init bank bank-a --dir pay --hub https://hub.pay.example:7400 --counter ann
  bankhub init operator ann --dir pay --hub https://hub.pay.example:7400
  bankhub init terminal till-1 --dir pay --hub https://hub.pay.example:7400

The authority in DIR/authority is for trials. Production signs the same names with its own authority.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    #[command(subcommand)]
    pub what: What,
    /// Where the folders of the federation are made.
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// The federation's name in certificates; without it that of the authority that is there, or trial.bankhub.
    #[arg(long, global = true, value_name = "NAME")]
    pub federation: Option<String>,
    /// Make certificates and configuration anew although they are there. Sealed keys are kept in any case.
    #[arg(long, global = true)]
    pub force: bool,
    /// Where the hub is.
    #[arg(long, global = true, value_name = "URL", default_value = "https://localhost:7400")]
    pub hub: String,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// A hub: certificate, keys, hub.toml.
    Hub {
        /// An operator who is admin from the start. May be given several times; at least two, for what needs a second person.
        #[arg(long = "admin", value_name = "OPERATOR")]
        admins: Vec<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// A bank's adapter: certificate, keys, adapter.toml.
    Bank {
        /// The bank's name: a-z, 0-9 and hyphens.
        id: String,
        /// An operator who serves the bank's counter. May be given several times.
        #[arg(long = "counter", value_name = "OPERATOR")]
        counter: Vec<String>,
        /// The first digits of cards that the bank issues, as 62284800 for debit and credit under one number, or
        /// 62284801=debit-only, 62284802=credit-only. Their keys are made too. May be given several times.
        #[arg(long = "cards", value_name = "BIN", value_parser = CardRange::parse)]
        cards: Vec<CardRange>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// A payment terminal: certificate, terminal.toml.
    Terminal {
        /// The terminal's name: a-z, 0-9 and hyphens.
        id: String,
    },
    /// A mobile carrier: certificate, carrier.toml.
    Carrier {
        /// The carrier's name: a-z, 0-9 and hyphens.
        id: String,
    },
    /// A simulator of the citizen-identity service: certificate, identity.toml with its rules.
    IdentitySimulator {
        /// The service's name: a-z, 0-9 and hyphens.
        id: String,
        /// A name or address that banks reach it by. May be given several times.
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// Where it listens.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7480")]
        listen: SocketAddr,
    },
    /// An operator: certificate, operator.toml.
    Operator {
        /// The operator's name: a-z, 0-9 and hyphens.
        id: String,
    },
}

#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// A name or address that others reach the server by. May be given several times.
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Where it listens; 0.0.0.0:7400 for a hub and 0.0.0.0:7443 for a bank.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where operators look at it; 127.0.0.1:9090 for a hub and 127.0.0.1:7490 for a bank.
    #[arg(long, value_name = "ADDRESS")]
    pub ops_listen: Option<SocketAddr>,
    /// sqlite:FILE or postgres://user@host/database; SQLite beside the configuration when it is not given.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Where the database's password is, env:NAME or file:/path.
    #[arg(long, value_name = "SECRET")]
    pub database_password: Option<String>,
}

impl ServerArgs {
    fn settings(&self, member: &Member, (port, ops_port): (u16, u16), counter: Vec<String>) -> ServerSettings {
        let file = member.folder.join("books.db");
        ServerSettings {
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], port))),
            ops_listen: self.ops_listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], ops_port))),
            database_url: self.database.clone().unwrap_or_else(|| format!("sqlite:{}", file.display())),
            database_password: self.database_password.clone(),
            web_listen: None,
            console_listen: None,
            admins: Vec::new(),
            second_person: true,
            ports_file: None,
            counter,
            cards: Vec::new(),
        }
    }

    fn hosts(&self) -> Vec<&str> {
        let given = self.hosts.iter().map(String::as_str);
        ["localhost", "127.0.0.1"].into_iter().chain(given).collect()
    }
}

pub fn run(args: &InitArgs, out: &Output) -> Result<(), CliError> {
    let authority = Authority::open_or_create(&args.dir.join("authority"), args.federation.as_deref())?;
    let (member, config, next) = match &args.what {
        What::Hub { admins, server } => hub(args, &authority, admins, server)?,
        What::Bank { id, counter, cards, server } => bank(args, &authority, (id, counter, cards), server)?,
        What::Terminal { id } => {
            let member = member(args, &authority, (Role::Terminal, id), "terminal.toml", &[])?;
            let config = member.write("terminal.toml", &terminal_toml(&member, &args.hub))?;
            let next = vec![
                format!("bankhub till add {id} --merchant MERCHANT   (an operator tells the hub)"),
                format!("bankhub terminal --config {} pay +8613800138000 12.50", config.display()),
            ];
            (member, config, next)
        }
        What::Carrier { id } => carrier(args, &authority, id)?,
        What::IdentitySimulator { id, hosts, listen } => simulator(args, &authority, (id, hosts), *listen)?,
        What::Operator { id } => {
            let member = member(args, &authority, (Role::Operator, id), "operator.toml", &[])?;
            let config = member.write("operator.toml", &operator_toml(&member, &args.hub))?;
            let next = vec![
                format!("bankhub bank --as {} list", config.display()),
                "bankhub person add --help   (people, accounts, merchants and tills are added in the same way)"
                    .to_owned(),
            ];
            (member, config, next)
        }
    };
    out.record(
        &[
            ("federation", member.federation.clone()),
            ("name", member.id.clone()),
            ("folder", member.folder.display().to_string()),
            ("configuration", config.display().to_string()),
            ("certificate", member.certificate().display().to_string()),
        ],
        &json!({
            "federation": member.federation,
            "id": member.id,
            "folder": member.folder,
            "configuration": config,
            "certificate": member.certificate(),
            "next": next,
        }),
    );
    out.line(&out.paint(Tone::Strong, "Next:"));
    for step in next {
        out.line(&format!("  {step}"));
    }
    Ok(())
}

/// The member's folder, unless it is there and nobody said that it may be made anew.
fn member(
    args: &InitArgs,
    authority: &Authority,
    (role, id): (Role, &str),
    config: &str,
    hosts: &[&str],
) -> Result<Member, InitError> {
    let folder = args.dir.join(if id.is_empty() { role.as_str().to_owned() } else { format!("{role}-{id}") });
    let existing = folder.join(config);
    if existing.exists() && !args.force {
        return Err(InitError::Exists(existing));
    }
    authority.member(role, id, &folder, hosts)
}

type Made = (Member, PathBuf, Vec<String>);

fn hub(args: &InitArgs, authority: &Authority, admins: &[String], server: &ServerArgs) -> Result<Made, InitError> {
    let member = member(args, authority, (Role::Hub, ""), "hub.toml", &server.hosts())?;
    member.make_keys()?;
    let settings = server.settings(&member, (7400, 9090), Vec::new());
    let text = hub_toml(&member, "hub-1", &ServerSettings { admins: admins.to_vec(), ..settings });
    let config = member.write("hub.toml", &text)?;
    let next = vec![
        format!("bankhub config check hub {}", config.display()),
        format!("bankhub hub --config {}", config.display()),
        format!("bankhub init operator NAME --dir {}", shown(&args.dir)),
    ];
    Ok((member, config, next))
}

fn bank(
    args: &InitArgs,
    authority: &Authority,
    (id, counter, cards): (&str, &[String], &[CardRange]),
    server: &ServerArgs,
) -> Result<Made, InitError> {
    let member = member(args, authority, (Role::Bank, id), "adapter.toml", &server.hosts())?;
    member.make_keys()?;
    let settings = server.settings(&member, (7443, 7490), counter.to_vec());
    let settings = ServerSettings { cards: cards.to_vec(), ..settings };
    if !cards.is_empty() {
        member.make_card_keys()?;
    }
    let config = member.write("adapter.toml", &adapter_toml(&member, &args.hub, &settings))?;
    let host = server.hosts.first().map_or("localhost", String::as_str);
    let next = vec![
        format!("bankhub config check adapter {}", config.display()),
        format!("bankhub adapter --config {}", config.display()),
        format!(
            "bankhub bank add {id} \"NAME\" https://{host}:{}   (an operator tells the hub)",
            settings.listen.port()
        ),
    ];
    Ok((member, config, next))
}

fn carrier(args: &InitArgs, authority: &Authority, id: &str) -> Result<Made, InitError> {
    let member = member(args, authority, (Role::Carrier, id), "carrier.toml", &[])?;
    let config = member.write("carrier.toml", &carrier_toml(&member, &args.hub))?;
    let next = vec![
        format!("bankhub carriers add {id} \"NAME\" --bank BANK   (an operator tells the hub)"),
        format!("bankhub carrier --as {} sign-up +8613800138000 NAME", config.display()),
    ];
    Ok((member, config, next))
}

fn simulator(
    args: &InitArgs,
    authority: &Authority,
    (id, hosts): (&str, &[String]),
    listen: SocketAddr,
) -> Result<Made, InitError> {
    let given = hosts.iter().map(String::as_str);
    let hosts: Vec<&str> = ["localhost", "127.0.0.1"].into_iter().chain(given).collect();
    let member = member(args, authority, (Role::Identity, id), "identity.toml", &hosts)?;
    let config = member.write("identity.toml", &identity_simulator_toml(&member, &listen.to_string()))?;
    let next = vec![
        format!("bankhub identity-simulator --config {}", config.display()),
        format!("[identity] in a bank's adapter.toml: endpoint = \"https://{listen}\", name = \"{id}\""),
    ];
    Ok((member, config, next))
}

fn shown(dir: &Path) -> String {
    dir.display().to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::output::Format;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        args: InitArgs,
    }

    fn init(line: &str, dir: &Path) -> Result<(), CliError> {
        let words = std::iter::once("init").chain(line.split(' ')).chain(["--dir", dir.to_str().unwrap()]);
        let args = Typed::try_parse_from(words).unwrap().args;
        run(&args, &Output::captured(Format::Table, |_| {}))
    }

    #[test]
    fn a_federation_is_made_step_by_step_and_nothing_is_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        for line in [
            "hub --federation pay.example",
            "bank bank-a --counter ann --cards 62284800",
            "operator ann",
            "terminal till-1",
            "carrier east",
            "identity-simulator citizens",
        ] {
            init(line, dir).unwrap();
        }
        for file in [
            "hub/hub.toml",
            "bank-bank-a/adapter.toml",
            "operator-ann/operator.toml",
            "terminal-till-1/key.pem",
            "bank-bank-a/cards.sealed",
            "carrier-east/carrier.toml",
            "identity-citizens/identity.toml",
        ] {
            assert!(dir.join(file).exists(), "{file}");
        }
        assert!(matches!(init("hub", dir), Err(CliError::Init(InitError::Exists(_)))));
        let keys = std::fs::read(dir.join("hub/keys.sealed")).unwrap();
        init("hub --force", dir).unwrap();
        assert_eq!(std::fs::read(dir.join("hub/keys.sealed")).unwrap(), keys);
        assert!(init("bank Bank!", dir).is_err());
    }
}
