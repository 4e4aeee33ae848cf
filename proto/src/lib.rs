//! The contract: the generated messages and services of each audience, and the conversions between them and the domain.
//!
//! Invariant: this is the one place where protobuf types and domain types meet.

/// Generated from `proto/bankhub/**.proto`.
#[allow(missing_debug_implementations, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::too_many_lines)]
mod generated {
    pub mod bankhub {
        pub mod common {
            pub mod v1 {
                tonic::include_proto!("bankhub.common.v1");
            }
        }
        pub mod terminal {
            pub mod v1 {
                tonic::include_proto!("bankhub.terminal.v1");
            }
        }
        pub mod bank {
            pub mod v1 {
                tonic::include_proto!("bankhub.bank.v1");
            }
        }
        pub mod counter {
            pub mod v1 {
                tonic::include_proto!("bankhub.counter.v1");
            }
        }
        pub mod federation {
            pub mod v1 {
                tonic::include_proto!("bankhub.federation.v1");
            }
        }
        pub mod cardholder {
            pub mod v1 {
                tonic::include_proto!("bankhub.cardholder.v1");
            }
        }
        pub mod operator {
            pub mod v1 {
                tonic::include_proto!("bankhub.operator.v1");
            }
        }
    }
}

pub use generated::bankhub::bank::v1 as bank;
pub use generated::bankhub::cardholder::v1 as cardholder;
pub use generated::bankhub::common::v1 as common;
pub use generated::bankhub::counter::v1 as counter;
pub use generated::bankhub::federation::v1 as federation;
pub use generated::bankhub::operator::v1 as operator;
pub use generated::bankhub::terminal::v1 as terminal;

mod convert;
mod notice;
mod status;

pub use prost::Message;

pub use convert::{
    bill_content, from_nature, from_product, from_purchase_state, from_timestamp, refusal, report_content,
    to_bin_range, to_carrier, to_items, to_location, to_money, to_nature, to_payable, to_purchase_state, to_timestamp,
};
pub use notice::{
    from_notice_channel, from_notice_kind, from_notice_language, from_price_news, to_notice_channel, to_notice_kind,
    to_notice_language, to_price_news,
};
pub use status::{reason_of, status, unread};

/// The largest message that any server here decodes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The largest message of banks to the hub: a bill with 500 lines of the longest texts.
pub const MAX_REPORT_BYTES: usize = 256 * 1024;

/// All descriptors, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bankhub.bin"));
