//! `[notify.push.fcm]`, `[notify.push.apns]` and `[notify.push.hms]`.

use std::path::PathBuf;

use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};

use super::super::{PushOptions, TokenSource, Vendor};
use super::default_answer;

/// Where Huawei gives tokens.
const HMS_TOKENS: &str = "https://oauth-login.cloud.huawei.com/oauth2/v3/token";
/// Ids stand in tokens and forms.
const MOST_ID_BYTES: usize = 100;

/// The push services of vendors, each with one way to its token.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Tables")]
pub struct PushConfig(Vec<PushOptions>);

impl PushConfig {
    /// One for each vendor that is configured.
    pub fn services(&self) -> &[PushOptions] {
        &self.0
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tables {
    fcm: Option<Fcm>,
    apns: Option<Apns>,
    hms: Option<Hms>,
}

/// Firebase Cloud Messaging, HTTP v1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fcm {
    /// `https://host`, such as `https://fcm.googleapis.com`.
    endpoint: String,
    /// The project of the app.
    app: String,
    /// The key file of a service account, in JSON …
    service_account: Option<SecretRef>,
    /// … or a bearer token that somebody else renews.
    token: Option<SecretRef>,
    ca: Option<PathBuf>,
    #[serde(default = "default_answer")]
    answer_within: HumanDuration,
}

/// Apple Push Notification service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apns {
    endpoint: String,
    /// The topic of the app.
    app: String,
    /// The provider's signing key (.p8), its id and that of the team …
    key: Option<SecretRef>,
    key_id: Option<String>,
    team_id: Option<String>,
    /// … or a provider token that somebody else renews.
    token: Option<SecretRef>,
    ca: Option<PathBuf>,
    #[serde(default = "default_answer")]
    answer_within: HumanDuration,
}

/// Huawei Push Kit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hms {
    endpoint: String,
    /// The id of the app, which is the client's as well.
    app: String,
    /// The app's secret, and where tokens are given for it …
    client_secret: Option<SecretRef>,
    token_endpoint: Option<String>,
    /// … or an access token that somebody else renews.
    token: Option<SecretRef>,
    ca: Option<PathBuf>,
    #[serde(default = "default_answer")]
    answer_within: HumanDuration,
}

impl TryFrom<Tables> for PushConfig {
    type Error = &'static str;

    fn try_from(Tables { fcm, apns, hms }: Tables) -> Result<Self, Self::Error> {
        let services = [fcm.map(Fcm::options), apns.map(Apns::options), hms.map(Hms::options)];
        services.into_iter().flatten().collect::<Result<_, _>>().map(Self)
    }
}

impl Fcm {
    fn options(self) -> Result<PushOptions, &'static str> {
        let token = match (self.token, self.service_account) {
            (Some(token), None) => TokenSource::Kept(token),
            (None, Some(key)) => TokenSource::ServiceAccount { key },
            _ => return Err("FCM takes either service_account or token"),
        };
        let (endpoint, app, ca, answer_within) = (self.endpoint, self.app, self.ca, self.answer_within.get());
        Ok(PushOptions { vendor: Vendor::Fcm, endpoint, app, token, ca, answer_within })
    }
}

impl Apns {
    fn options(self) -> Result<PushOptions, &'static str> {
        let token = match (self.token, self.key, self.key_id, self.team_id) {
            (Some(token), None, None, None) => TokenSource::Kept(token),
            (None, Some(key), Some(key_id), Some(team_id)) if is_id(&key_id) && is_id(&team_id) => {
                TokenSource::ProviderKey { key, key_id, team_id }
            }
            _ => return Err("APNs takes either key with key_id and team_id, or token"),
        };
        let (endpoint, app, ca, answer_within) = (self.endpoint, self.app, self.ca, self.answer_within.get());
        Ok(PushOptions { vendor: Vendor::Apns, endpoint, app, token, ca, answer_within })
    }
}

impl Hms {
    fn options(self) -> Result<PushOptions, &'static str> {
        let token = match (self.token, self.client_secret, self.token_endpoint) {
            (Some(token), None, None) => TokenSource::Kept(token),
            (None, Some(secret), endpoint) => TokenSource::ClientCredentials {
                endpoint: endpoint.unwrap_or_else(|| HMS_TOKENS.to_owned()),
                client_id: self.app.clone(),
                secret,
            },
            _ => return Err("HMS takes either client_secret or token"),
        };
        let (endpoint, app, ca, answer_within) = (self.endpoint, self.app, self.ca, self.answer_within.get());
        Ok(PushOptions { vendor: Vendor::Hms, endpoint, app, token, ca, answer_within })
    }
}

fn is_id(id: &str) -> bool {
    (1..=MOST_ID_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: &str = "https://push.example";

    #[test]
    fn r6_a_push_service_has_one_way_to_its_token() {
        let config: PushConfig = serde_json::from_value(json!({
            "fcm": { "endpoint": AT, "app": "a", "service_account": "file:/fcm.json" },
            "apns": { "endpoint": AT, "app": "a", "key": "file:/apns.p8", "key_id": "K1", "team_id": "T1" },
            "hms": { "endpoint": AT, "app": "100", "client_secret": "env:HMS" },
        }))
        .unwrap();
        let file = |path: &str| SecretRef::File(path.into());
        let sources: Vec<_> = config.services().iter().map(|service| service.token.clone()).collect();
        let wanted = [
            TokenSource::ServiceAccount { key: file("/fcm.json") },
            TokenSource::ProviderKey { key: file("/apns.p8"), key_id: "K1".to_owned(), team_id: "T1".to_owned() },
            TokenSource::ClientCredentials {
                endpoint: HMS_TOKENS.to_owned(),
                client_id: "100".to_owned(),
                secret: SecretRef::Env("HMS".to_owned()),
            },
        ];
        assert_eq!(sources, wanted);
    }

    #[test]
    fn no_way_two_ways_and_secrets_that_stand_in_the_file_are_refused() {
        for bad in [
            json!({ "fcm": { "endpoint": AT, "app": "a" } }),
            json!({ "fcm": { "endpoint": AT, "app": "a", "token": "file:/t", "service_account": "file:/s" } }),
            json!({ "fcm": { "endpoint": AT, "app": "a", "service_account": "{\"private_key\":\"x\"}" } }),
            json!({ "fcm": { "endpoint": AT, "app": "a", "client_secret": "file:/s" } }),
            json!({ "apns": { "endpoint": AT, "app": "a", "key": "file:/k", "key_id": "K1" } }),
            json!({ "apns": { "endpoint": AT, "app": "a", "key": "file:/k", "key_id": "K\r\n", "team_id": "T" } }),
            json!({ "apns": { "endpoint": AT, "app": "a", "token": "file:/t", "team_id": "T" } }),
            json!({ "hms": { "endpoint": AT, "app": "a", "token": "file:/t", "token_endpoint": AT } }),
            json!({ "hms": { "endpoint": AT, "app": "a", "client_secret": "secret" } }),
            json!({ "wns": {} }),
        ] {
            assert!(serde_json::from_value::<PushConfig>(bad.clone()).is_err(), "{bad}");
        }
    }
}
