use std::path::Path;

use server_kit::config::{ConfigError, load};
use server_kit::identity::Role;

use super::*;
use crate::init::Authority;
use crate::profile::{OperatorProfile, TerminalProfile};

fn member(folder: &Path, role: Role, id: &str) -> Member {
    let authority = Authority::open_or_create(&folder.join("authority"), None).unwrap();
    authority.member(role, id, &folder.join(role.as_str()), &["localhost"]).unwrap()
}

fn settings() -> ServerSettings {
    ServerSettings {
        listen: "127.0.0.1:7400".parse().unwrap(),
        ops_listen: "127.0.0.1:9090".parse().unwrap(),
        database_url: "sqlite:/tmp/a \"quoted\" name.db".to_owned(),
        database_password: None,
        web_listen: None,
        console_listen: None,
        admins: Vec::new(),
        second_person: true,
        ports_file: None,
        counter: Vec::new(),
        cards: Vec::new(),
    }
}

/// The template with every default switched on: each key must exist, and have this default.
fn uncommented(text: &str) -> String {
    let is_default = |line: &str| {
        line.strip_prefix("# ").and_then(|line| line.split_once(" = ")).is_some_and(|(key, _)| {
            let is_key = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            is_key
                && !matches!(
                    key,
                    "revocation" | "password" | "ports_file" | "server_ca" | "pin_key" | "hub_pin_key" | "pin_pad_key"
                )
                && !matches!(key, "agi_listen" | "vxml_listen" | "gateway_secret")
        })
    };
    text.lines().map(|line| if is_default(line) { &line[2..] } else { line }).collect::<Vec<_>>().join("\n")
}

fn loaded<T: serde::de::DeserializeOwned>(folder: &Path, text: &str) -> Result<T, ConfigError> {
    let file = folder.join("config.toml");
    std::fs::write(&file, text).unwrap();
    load(Some(&file), "BANKHUB_TEMPLATE_TEST_", &[])
}

/// Every key that the server has stands in its template, switched on or as a comment.
fn says_every_key(config: &impl std::fmt::Debug, text: &str) {
    for (key, _) in crate::effective::flatten(&format!("{config:#?}")) {
        let last = key.rsplit('.').next().unwrap();
        let stands = text.lines().any(|line| {
            line.trim_start_matches("# ").split_once(" = ").is_some_and(|(found, _)| found.trim_start() == last)
        });
        // A table that may be left out is told of by its header.
        let head = |line: &str| {
            let name = line.strip_prefix('[').map(|name| name.trim_start_matches('['));
            name.is_some_and(|name| name.split('.').any(|part| part.starts_with(last)))
        };
        let heads = text.lines().any(|line| head(line.trim_start_matches("# ")));
        assert!(stands || heads, "the template does not say {key}");
    }
}

#[test]
fn the_hubs_template_says_every_default_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = hub_toml(&member(folder.path(), Role::Hub, ""), "hub-1", &settings());
    let plain: hub::Config = loaded(folder.path(), &text).unwrap();
    let full: hub::Config = loaded(folder.path(), &uncommented(&text)).unwrap();
    assert_eq!(format!("{plain:#?}"), format!("{full:#?}"));
    assert_eq!(plain.database.url, settings().database_url);
    says_every_key(&full, &text);
    let switched_on = text.replace("# [notify", "[notify").replace("# [network", "[network").replace("\n#   ", "\n");
    let telling: hub::Config = loaded(folder.path(), &switched_on).unwrap();
    assert!(telling.notify.sms.is_some() && telling.notify.mail.is_some());
    assert_eq!(telling.notify.push.services().len(), 3);
    let link = &telling.network.links["acquirer-1"];
    assert!(link.tls.is_some() && link.mac_key.is_some() && link.exchange_key.is_some());
}

#[test]
fn the_adapters_template_says_every_default_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let cards = vec![CardRange::parse("62284800").unwrap(), CardRange::parse("62284801=debit-only").unwrap()];
    let settings = ServerSettings { cards, ..settings() };
    let text = adapter_toml(&member(folder.path(), Role::Bank, "bank-a"), "https://127.0.0.1:7400", &settings);
    let plain: bank_adapter::Config = loaded(folder.path(), &text).unwrap();
    let full: bank_adapter::Config = loaded(folder.path(), &uncommented(&text)).unwrap();
    assert_eq!(format!("{plain:#?}"), format!("{full:#?}"));
    says_every_key(&full, &text);
    let switched_on = text.replace("# [credit_system]", "[credit_system]").replace("# [identity]", "[identity]");
    let switched_on = switched_on.replace("\n#   ", "\n");
    let existing: bank_adapter::Config = loaded(folder.path(), &switched_on).unwrap();
    assert!(existing.credit_system.is_some_and(|system| system.zone_key.is_some()));
    assert_eq!(existing.identity.map(|service| service.name).as_deref(), Some("citizens"));
    let text = adapter_toml(
        &member(folder.path(), Role::Bank, "bank-b"),
        "https://127.0.0.1:7400",
        &ServerSettings { cards: Vec::new(), ..settings },
    );
    let without: bank_adapter::Config = loaded(folder.path(), &text).unwrap();
    assert!(without.cards.is_none() && without.hsm.is_none(), "a bank without cards has no key store for them");
}

#[test]
fn the_profiles_of_clients_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = terminal_toml(&member(folder.path(), Role::Terminal, "till-1"), "https://127.0.0.1:7400");
    let plain: TerminalProfile = loaded(folder.path(), &text).unwrap();
    let full: TerminalProfile = loaded(folder.path(), &uncommented(&text)).unwrap();
    assert_eq!(format!("{plain:#?}"), format!("{full:#?}"));
    let text = operator_toml(&member(folder.path(), Role::Operator, "ann"), "https://127.0.0.1:7400");
    loaded::<OperatorProfile>(folder.path(), &text).unwrap();
}
