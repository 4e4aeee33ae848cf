//! The data elements that every message has, as types. Each is made from the number or text of its field and gives it back.

mod amount;
mod processing_code;
mod response_code;
mod stan;
mod transmission_time;

pub use amount::Amount;
pub use processing_code::ProcessingCode;
pub use response_code::ResponseCode;
pub use stan::Stan;
pub use transmission_time::TransmissionTime;
