//! Configurations of the members beside hub and banks: carriers, and the simulator of the citizen-identity service.

use super::Member;
use super::template::{client_files, path, quoted, secret_file};

/// A carrier's profile.
pub fn carrier_toml(member: &Member, hub_endpoint: &str) -> String {
    let (federation, id, hub) = (quoted(&member.federation), quoted(&member.id), quoted(hub_endpoint));
    let files = client_files(member);
    format!(
        r#"# A mobile carrier's back end. Environment variables: BANKHUB_CARRIER_HUB and so on.
federation = {federation}
# The carrier's name, as in its certificate.
id = {id}
# Where the hub is.
hub = {hub}

{files}"#
    )
}

/// The simulator's configuration.
pub fn identity_simulator_toml(member: &Member, listen: &str) -> String {
    let (federation, listen) = (quoted(&member.federation), quoted(listen));
    let (certificate, key, ca) = (path(&member.certificate()), secret_file(&member.key()), path(&member.authority()));
    format!(
        r#"# A citizen-identity service for trials: it answers by these rules, and nothing of it is true. Banks name it in [identity].
federation = {federation}
# Where banks call.
listen = {listen}
# What is said of whom no rule speaks: match, mismatch, unknown, timeout (no answer at all) or away.
# otherwise = "match"

[tls]
certificate = {certificate}
key = {key}
client_ca = {ca}

# The first rule that speaks of somebody counts; without a name or a number it speaks of everybody.
# [[rules]]
# name = "Zhang San"
# citizen_number = "11010519491231002X"
# answer = "mismatch"
"#
    )
}

/// A bank's `[identity]`.
pub(super) const IDENTITY: &str = r#"# The citizen-identity service, which is asked before an account is opened for somebody whom a carrier signs up. Without it no account is
# opened for the hub.
# [identity]
#   endpoint = "https://identity.example:7443"
# Its name in its certificate, spiffe://<federation>/identity/<name>.
#   name = "citizens"
# How long to wait for an answer, and how often to ask before the hub is told that there is none.
#   timeout = "3s"
#   tries = 3
"#;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use server_kit::identity::Role;

    use super::*;
    use crate::identity_simulator::{SimulatedAnswer, SimulatorConfig};
    use crate::init::Authority;
    use crate::profile::CarrierProfile;

    fn member(folder: &Path, role: Role, id: &str) -> Member {
        let authority = Authority::open_or_create(&folder.join("authority"), None).unwrap();
        authority.member(role, id, &folder.join(id), &["localhost"]).unwrap()
    }

    #[test]
    fn m1_the_profiles_of_carriers_and_of_the_simulator_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = carrier_toml(&member(folder.path(), Role::Carrier, "east"), "https://127.0.0.1:7400");
        let file = folder.path().join("carrier.toml");
        std::fs::write(&file, text).unwrap();
        assert_eq!(CarrierProfile::load(&file, &[]).unwrap().id, "east");
        let text = identity_simulator_toml(&member(folder.path(), Role::Identity, "citizens"), "127.0.0.1:7480");
        let file = folder.path().join("identity.toml");
        std::fs::write(&file, &text).unwrap();
        let plain = SimulatorConfig::load(&file).unwrap();
        assert!(plain.rules.is_empty() && plain.otherwise == SimulatedAnswer::Match);
        std::fs::write(
            &file,
            text.replace("# [[rules]]", "[[rules]]").replace("# name", "name").replace("# answer", "answer"),
        )
        .unwrap();
        assert_eq!(SimulatorConfig::load(&file).unwrap().rules[0].answer, SimulatedAnswer::Mismatch);
    }
}
