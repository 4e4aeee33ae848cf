//! Cards on SQLite and on PostgreSQL alike, with a key store in a sealed file and a PIN pad in software.

pub(crate) mod elsewhere;
#[path = "../../../tests/credit_system/issuer.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "it is shared with the tests of the connector, which use the rest")]
pub(crate) mod issuer;
mod issuing;
mod paying;
mod pins;
pub(crate) mod trial;
mod typed;
mod values;

use server_kit::store::testing::TestDatabase;

use self::issuing::*;
use self::paying::*;
use self::pins::*;
use self::trial::Trial;
use self::typed::*;
use self::values::*;

macro_rules! on_both_engines {
    ($($case:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Trial::start(super::TestDatabase::sqlite()).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                if let Some(database) = super::TestDatabase::postgres().await {
                    super::$case(super::Trial::start(database).await).await;
                }
            })*
        }
    };
}

on_both_engines! {
    c3_a_card_is_issued_once_with_the_same_face_and_number_track_and_values_that_verify
    c3_what_cannot_be_issued_is_refused_by_reason_and_nothing_is_stored
    c3_cards_that_draw_the_same_number_at_once_get_different_ones
    c3_a_replaced_card_pays_no_more_and_its_successor_does
    c5_a_card_issued_before_its_key_was_changed_is_verified_under_the_key_before
    c9_activation_a_loss_and_a_freeze_hold_for_both_sides_and_for_the_phone_number
    c6_a_purchase_with_a_card_overflows_from_credit_into_debit_and_can_be_explained
    c6_cash_overflows_from_debit_into_an_advance
    c2_a_pre_authorisation_is_completed_with_less_and_money_comes_in_by_the_number_alone
    c5_whatever_is_wrong_of_a_card_is_one_refusal_that_is_stored_with_its_leg
    c5_a_pin_block_that_is_no_pin_is_refused_by_reason_and_nothing_is_stored_or_counted
    c1_three_wrong_pins_lock_the_card_whatever_they_are_tried_on_and_a_new_pin_unlocks_it
    c1_a_hundred_tries_at_once_are_three_tries
    c4_a_pin_is_changed_with_the_one_before_it_and_each_change_counts_once
    c4_a_change_that_is_sent_again_gets_its_answer_again_and_counts_once
    c4_the_last_eight_changes_of_a_card_are_remembered
    c5_five_wrong_values_from_five_terminals_leave_a_card_with_its_pin_alone
    c5_when_a_block_is_over_a_right_value_forgets_it_and_a_wrong_one_blocks_again
    c5_a_hundred_guesses_at_once_are_five
    c5_a_right_value_writes_nothing_of_a_card_of_which_nothing_is_counted
    f2_a_number_and_its_pin_prove_a_card_and_wrong_pins_count_as_at_a_terminal
    f2_who_knows_somebodys_number_cannot_lock_the_card_by_telephone
    c2_a_balance_takes_the_pin_and_says_what_each_side_may_spend
}
