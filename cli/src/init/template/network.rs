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

# [network]
# The hub's own PIN pad, for PINs of cards that come over links: banks with an adapter have its key as terminal-pin:<name>. AES, 32 hexadecimal
# digits; without the key such a card is refused, unless its bank is reached over a card network.
#   pin_pad = "hub-links"
#   pin_pad_key = "file:/etc/bankhub/links-pin-pad.hex"

# [network.bics]
# BICs of banks (ISO 9362) by their names here, for files between banks (bankhub network file). Without one a file names a bank as a member.
#   bank-a = "BANKCNBJ"

# [network.issuers.cup]
# A line to a card network, over which banks without an adapter are reached: a bank is registered with iso8583://cup as its endpoint.
#   address = "network.example:8583"
# The hub as an acquirer (field 32), and who passes messages on (field 33), if anybody.
#   institution = "66280000"
#   forwarder = "66280000"
# As of a link. The header has two hexadecimal digits for each octet of the dialect's.
#   dialect = "union-pay"
#   framing = "binary-2"
#   header = "6000030000602200000000"
#   longest_message = 4096
#   pin_key = "file:/etc/bankhub/cup-pin.hex"
#   mac_key = "file:/etc/bankhub/cup-mac.hex"
#   exchange_key = "file:/etc/bankhub/cup-exchange.hex"
# Times, and how many messages may wait for their answers.
#   connect_timeout = "3s"
#   answer_timeout = "3s"
#   message_timeout = "5s"
#   echo_every = "30s"
#   reconnect_pause = "250ms"
#   reconnect_pause_at_most = "30s"
# Whether the network is told the totals of each day, and how long a day rests before.
#   totals = true
#   totals_after = "1m"
#   window = 256
# [network.issuers.cup.tls]
# The authorities of the network's certificates and the name that they are for; and this server's own, if the network asks for one.
#   server_ca = "/etc/bankhub/cup-ca.pem"
#   server_name = "network.example"
#   certificate = "/etc/bankhub/cup.pem"
#   key = "file:/etc/bankhub/cup.key"
# [network.issuers.cup.banks.bank-n]
# A bank behind it: what it is called there (field 100), and its card numbers as FIRST-LAST/DIGITS.
#   institution = "66281000"
#   ranges = ["62284900-62284999/16"]
"#;
