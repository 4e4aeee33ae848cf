//! Who operates the hub, and where: `[operators]` and `[console]`, and an operator's own profile.

use super::super::Member;
use super::{ServerSettings, client_files, quoted};

pub(super) fn operators(settings: &ServerSettings) -> String {
    // A list of names is written in TOML as in JSON.
    let admins = match settings.admins.as_slice() {
        [] => "# admins = []".to_owned(),
        names => format!("admins = {}", serde_json::Value::from(names)),
    };
    let second_person = match settings.second_person {
        true => "# second_person = true",
        false => "second_person = false",
    };
    let listen = match settings.console_listen {
        Some(listen) => format!("listen = {}", quoted(&listen.to_string())),
        None => r#"#   listen = "127.0.0.1:7444""#.to_owned(),
    };
    format!(
        r#"[operators]
# Who is registered as admin when the hub has no admin yet, by the names in their certificates; two at least where second persons are
# asked for. Everybody else is registered by an admin (`bankhub operator set`).
{admins}
# Whether what is dangerous waits for a second operator's approval. Off, one operator alone can do all of it: for trials, and nowhere else.
{second_person}
# How many people an operator or an admin may look up on one day (UTC), and somebody in the role of risk.
# people_per_day = 50
# people_per_day_of_risk = 200

[console]
# Where the operators' console is served to browsers; nowhere without it. On the loopback plain HTTP will do.
{listen}
# The certificate that browsers see, with the chain behind it, in PEM form, and its private key, file: or env:.
#   certificate = "/etc/bankhub/console.pem"
#   key = "file:/etc/bankhub/console.key"
# Whether a proxy that speaks TLS stands before it, and hands Host on.
# behind_proxy = false
# How long a request may take, with the sending of it; connections at once.
# answer_within = "15s"
# connections = 64
# Pages that are kept up to date at once.
# streams = 32
# Requests of one address, and sign-ins that it tries, in a minute.
# requests_per_address_per_minute = 600
# sign_ins_per_address_per_minute = 10
"#
    )
}

/// An operator's profile.
pub fn operator_toml(member: &Member, hub_endpoint: &str) -> String {
    let (federation, id, hub) = (quoted(&member.federation), quoted(&member.id), quoted(hub_endpoint));
    let files = client_files(member);
    format!(
        r#"# An operator. Environment variables: BANKHUB_OPERATOR_HUB and so on.
federation = {federation}
# The operator's name, as in its certificate.
id = {id}
# Where the hub is.
hub = {hub}

{files}"#
    )
}
