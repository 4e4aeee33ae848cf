//! The tables of offers, agreements and deliveries.

mod agreements;
mod deliveries;
mod filed;
mod looks;

pub(super) use agreements::{
    SignedRow, StoredAgreement, change_recipients, claim_persons, load_agreements, put_agreements, read_agreement,
};
pub(super) use deliveries::{
    AcceptedRow, Got, NewDelivery, StoredDelivery, insert_deliveries, load_contact, load_deliveries, load_instruments,
    read_acceptances, read_banks_of, read_got, read_one_got, update_deliveries,
};
pub(super) use filed::{
    Counted, StoredOffer, claim_offer, count_open, load_bank, load_offers, put_offers, read_all, read_of_bank,
    read_offer, read_recipients, read_running,
};
pub(super) use looks::{insert_looks, read_looks, strike_out};
