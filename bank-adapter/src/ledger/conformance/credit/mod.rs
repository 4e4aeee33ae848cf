//! Credit accounts and the end of their days, on both engines.

mod bills;
mod closing;
#[cfg(feature = "fault-points")]
mod killed;
mod mixes;
mod months;
mod world;

use server_kit::store::testing::TestDatabase;

use self::bills::*;
use self::closing::*;
use self::mixes::*;
use self::months::*;

macro_rules! on_both_engines {
    ($($case:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::TestDatabase::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                if let Some(database) = super::TestDatabase::postgres().await {
                    super::$case(database).await;
                }
            })*
        }
    };
}

on_both_engines! {
    c7_on_the_due_day_as_much_is_repaid_as_is_there_and_the_rest_when_it_comes
    c7_r9_a_minimum_that_is_missed_costs_a_late_fee_and_is_told_with_its_statement
    c6_c7_cash_bears_interest_from_its_day_and_an_advance_that_is_reversed_none
    c7_cash_paid_into_a_credit_account_repays_it
    c7_days_that_are_caught_up_come_to_what_days_in_turn_come_to
    c7_a_day_that_is_closed_twice_is_closed_once
    a_day_that_is_not_over_is_not_closed
    no_entry_is_lost_or_doubled_where_clocks_are_put_forward_or_back_over_midnight
    what_comes_while_the_clock_is_wrong_counts_to_a_day_that_is_open
    a_credit_account_is_opened_once_with_its_terms
    c7_the_schedule_and_the_counter_may_close_the_same_days_at_once
    c7_the_schedule_closes_at_start_what_was_missed_and_then_each_day_after_its_end
    an_account_that_cannot_be_closed_does_not_keep_the_others_from_it
    the_check_of_the_books_runs_the_days_again
    what_days_have_made_cannot_be_changed
    any_mix_of_steps_and_days_keeps_the_books_right
    r8_a_statement_of_a_followed_account_is_told_with_its_lines_and_as_it_is_paid
    r9_a_bill_that_is_not_paid_falls_into_arrears_ages_and_is_settled
    r9_days_that_are_caught_up_tell_what_days_in_turn_tell
    r8_what_nobody_follows_is_told_of_from_when_somebody_does
    r9_a_relation_ends_when_the_card_is_closed_and_nothing_is_owed
    what_the_hub_has_taken_in_of_bills_is_kept_and_the_check_sees_what_was_changed
}
