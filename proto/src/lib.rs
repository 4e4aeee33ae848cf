//! The contract: the generated messages and services of each audience, and the conversions between them and the domain.
//!
//! Invariant: this is the one place where protobuf types and domain types meet.
//!
//! Each audience is a feature and so is each side of its service, so that a phone compiles the client of cardholders alone. Everything
//! is there by default.

/// Generated from `proto/bankhub/**.proto`.
#[allow(missing_debug_implementations, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::too_many_lines)]
mod generated {
    pub mod bankhub {
        pub mod common {
            pub mod v1 {
                tonic::include_proto!("bankhub.common.v1");
            }
        }
        #[cfg(feature = "terminal")]
        pub mod terminal {
            pub mod v1 {
                tonic::include_proto!("bankhub.terminal.v1");
            }
        }
        #[cfg(feature = "bank")]
        pub mod bank {
            pub mod v1 {
                tonic::include_proto!("bankhub.bank.v1");
            }
        }
        #[cfg(feature = "counter")]
        pub mod counter {
            pub mod v1 {
                tonic::include_proto!("bankhub.counter.v1");
            }
        }
        #[cfg(feature = "federation")]
        pub mod federation {
            pub mod v1 {
                tonic::include_proto!("bankhub.federation.v1");
            }
        }
        #[cfg(feature = "cardholder")]
        pub mod cardholder {
            pub mod v1 {
                tonic::include_proto!("bankhub.cardholder.v1");
            }
        }
        #[cfg(feature = "operator")]
        pub mod operator {
            pub mod v1 {
                tonic::include_proto!("bankhub.operator.v1");
            }
        }
        #[cfg(feature = "carrier")]
        pub mod carrier {
            pub mod v1 {
                tonic::include_proto!("bankhub.carrier.v1");
            }
        }
        #[cfg(feature = "identity")]
        pub mod identity {
            pub mod v1 {
                tonic::include_proto!("bankhub.identity.v1");
            }
        }
    }
}

#[cfg(feature = "bank")]
pub use generated::bankhub::bank::v1 as bank;
#[cfg(feature = "cardholder")]
pub use generated::bankhub::cardholder::v1 as cardholder;
#[cfg(feature = "carrier")]
pub use generated::bankhub::carrier::v1 as carrier;
pub use generated::bankhub::common::v1 as common;
#[cfg(feature = "counter")]
pub use generated::bankhub::counter::v1 as counter;
#[cfg(feature = "federation")]
pub use generated::bankhub::federation::v1 as federation;
#[cfg(feature = "identity")]
pub use generated::bankhub::identity::v1 as identity;
#[cfg(feature = "operator")]
pub use generated::bankhub::operator::v1 as operator;
#[cfg(feature = "terminal")]
pub use generated::bankhub::terminal::v1 as terminal;

mod convert;
mod key;
mod notice;
mod status;

pub use prost::Message;

#[cfg(feature = "federation")]
pub use convert::{bill_content, from_product, report_content, to_bin_range};
pub use convert::{
    from_errand_kind, from_nature, from_purchase_state, from_timestamp, refusal, to_carrier, to_errand_kind, to_items,
    to_location, to_money, to_nature, to_payable, to_purchase_state, to_timestamp,
};
pub use notice::{
    from_notice_channel, from_notice_kind, from_notice_language, to_notice_channel, to_notice_kind, to_notice_language,
};
#[cfg(feature = "cardholder")]
pub use notice::{from_price_news, to_price_news};
pub use status::{Told, reason_of, status, told, unread};

/// The largest message that any server here decodes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The largest message of banks to the hub: a bill with 500 lines of the longest texts.
pub const MAX_REPORT_BYTES: usize = 256 * 1024;

/// All descriptors, for reflection.
#[cfg(feature = "descriptors")]
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bankhub.bin"));
