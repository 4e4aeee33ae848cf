//! The hub's links to acquirers and a card network.

/// None is there unless it is configured, so that all of it is comments.
pub(super) const NETWORK: &str = r#"
# [network.links.acquirer-1]
# An acquirer or a card network that connects over TCP and speaks ISO 8583; docs/network.md has the messages. The id is yours: a-z, 0-9, '-'.
#   listen = "127.0.0.1:8583"
# Who may connect, and for which acquirers (field 32) it speaks; no two links name the same.
#   from = ["127.0.0.1", "::1"]
#   acquirers = ["66280000"]
# union-pay, iso-1987-ascii, iso-1987-ascii-binary, iso-1987-ebcdic or iso-1987-bcd, and how a message tells its length: binary-2 or ascii-4.
#   dialect = "union-pay"
#   framing = "binary-2"
# A terminal is known in the directory by this prefix, which is the id of the link unless it is set, and field 41 in lower case. With
# merchant_prefix, field 42 has to be its merchant in the same way.
#   terminal_prefix = "acquirer-1-"
#   merchant_prefix = "m-"
# Keys of 32 hexadecimal digits, file: or env:. Of PIN blocks; of authentication codes, without which there are none; and under which new keys
# are handed out, without which none are.
#   pin_key = "file:/etc/bankhub/acquirer-1-pin.hex"
#   mac_key = "file:/etc/bankhub/acquirer-1-mac.hex"
#   exchange_key = "file:/etc/bankhub/acquirer-1-exchange.hex"
# Connections, requests of one connection that are worked on at once, and the longest message in octets.
#   connections = 8
#   window = 64
#   longest_message = 4096
# How long the rest of a message, sign-on, and the next message are waited for.
#   message_timeout = "5s"
#   sign_on_timeout = "10s"
#   idle_timeout = "5m"
# [network.links.acquirer-1.tls]
# Mutual TLS: this server's certificate for the link, and the authorities of the other side's. Without it the line is private by other means.
#   certificate = "/etc/bankhub/acquirer-1.pem"
#   key = "file:/etc/bankhub/acquirer-1.key"
#   client_ca = "/etc/bankhub/acquirer-1-ca.pem"
"#;
