//! The bank's key store for cards, told what is published about it and all that can go wrong: the same tests on the
//! sealed file and on SoftHSM. SoftHSM is the library that `BANKHUB_TEST_SOFTHSM` names, as in
//! `/usr/lib/softhsm/libsofthsm2.so`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

mod blocks;
mod keys;
mod known_answers;
mod pins;
mod properties;
mod sealed_file;
mod softhsm;
mod speed;
mod world;

/// Each of these is a test on either store.
macro_rules! on_both_stores {
    ($($test:path as $name:ident,)*) => {
        mod on_sealed_file {
            $(#[test] fn $name() { $test(&crate::world::World::in_sealed_file()) })*
        }

        mod on_softhsm {
            $(
                #[test]
                #[ignore = "run by softhsm::the_same_tests_hold_on_softhsm, in a process of their own"]
                fn $name() {
                    crate::softhsm::with_token(|world| $test(&world))
                }
            )*
        }
    };
}

on_both_stores! {
    crate::known_answers::c5_cvvs_are_those_that_are_published as c5_cvvs_are_those_that_are_published,
    crate::known_answers::pvvs as pvvs_are_those_that_are_published,
    crate::known_answers::pin_blocks as pin_blocks_are_those_that_are_published,
    crate::known_answers::retail_macs as retail_macs_are_those_of_iso_9797,
    crate::known_answers::cmacs as cmacs_are_those_of_rfc_4493,
    crate::known_answers::check_values as check_values_are_those_of_other_tools,
    crate::known_answers::pin_values as a_pin_verification_value_is_the_hash_that_it_says_it_is,
    crate::keys::c5_each_side_has_a_key_of_its_own as c5_each_side_has_a_key_of_its_own,
    crate::keys::rotation as a_rotated_key_makes_anew_and_verifies_what_was_made_before,
    crate::keys::retirement as a_retired_key_does_nothing_and_no_earlier_one_comes_back,
    crate::keys::wrong_uses as a_key_used_for_something_else_is_refused,
    crate::keys::bad_imports as what_is_not_the_key_that_was_told_is_not_taken_in,
    crate::keys::listing as keys_are_listed_by_name_and_version,
    crate::pins::right_and_wrong as a_pin_matches_itself_and_no_other,
    crate::pins::other_cards as a_pin_is_bound_to_its_card,
    crate::pins::translation as a_pin_block_goes_on_to_a_peer_in_either_format,
    crate::pins::rotation as a_pin_is_verified_under_the_key_that_it_was_set_with,
    crate::blocks::format_0 as every_fault_of_a_block_of_format_0_is_told_and_is_no_wrong_pin,
    crate::blocks::format_4 as every_fault_of_a_block_of_format_4_is_told_and_is_no_wrong_pin,
    crate::blocks::of_another_key as a_block_under_another_key_is_no_wrong_pin,
    crate::blocks::macs_differ as a_mac_of_another_message_differs,
    crate::properties::no_input_panics as no_input_panics,
}
