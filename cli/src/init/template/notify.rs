//! How people are told outside of the app.

pub(super) const NOTIFY: &str = r#"[notify]
# How people are told outside of the app; secrets are file: or env:. A certificate that is not of the public web needs `ca`.
# How long one try of a notice may take; what a process that died had taken up is tried again after twice that.
# send_within = "30s"
# [notify.sms]
# An SMSC, spoken to in SMPP 3.4. The sender is a number, or a name of up to 11 letters and digits.
#   host = "smsc.example"
#   port = 3550
#   tls = true
#   system_id = "bankhub"
#   password = "file:/etc/bankhub/smsc-password"
#   source = "bankhub"
# Messages without an answer, messages a second, how long an answer may take, and after what silence the SMSC is asked for one.
#   window = 16
#   per_second = 50
#   answer_within = "10s"
#   enquire_every = "30s"
# [notify.mail]
# A mail server, under TLS from the start (implicit) or by STARTTLS (starttls).
#   host = "mail.example"
#   tls = "implicit"
#   user = "bankhub"
#   password = "file:/etc/bankhub/mail-password"
#   from = "notices@bankhub.example"
#   connections = 4
# [notify.push.fcm]
# Vendors' push services, which are told an id and nothing else. A token comes from a service account's key file, or with
# `token = "file:..."` in its place from a file that is read again every half minute: so for all three.
#   endpoint = "https://fcm.googleapis.com"
#   app = "bankhub-app"
#   service_account = "file:/etc/bankhub/fcm-service-account.json"
#   answer_within = "10s"
# [notify.push.apns]
# The signing key of the provider, its id and that of the team.
#   endpoint = "https://api.push.apple.com"
#   app = "example.bankhub.app"
#   key = "file:/etc/bankhub/apns.p8"
#   key_id = "ABC123DEFG"
#   team_id = "DEF123GHIJ"
#   answer_within = "10s"
# [notify.push.hms]
# The secret of the app, and where tokens are given for it.
#   endpoint = "https://push-api.cloud.huawei.com"
#   app = "100000001"
#   client_secret = "file:/etc/bankhub/hms-secret"
#   token_endpoint = "https://oauth-login.cloud.huawei.com/oauth2/v3/token"
#   answer_within = "10s"
"#;
