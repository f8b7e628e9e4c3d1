//! What every store owes, as checks that run against each of them.
//!
//! A check gets empty stores and panics with what it found. Whoever writes a store runs all of
//! [`CHECKS`] against it; `tests/conformance.rs` does so for the stores of this crate.

pub mod artifact_store;
pub mod assignment_board;
pub mod checkpoint_store;
pub mod chunk_store;
pub mod dataset_store;
pub mod event_log;
pub mod job_store;
pub mod lease_store;
pub mod notification_store;
pub mod sample;

use std::pin::Pin;

use crate::ports::Ports;

/// One promise of one port.
#[derive(Clone, Copy)]
pub struct Check {
    /// Port and promise.
    pub name: &'static str,
    /// Runs it against empty stores; needs a multi-thread tokio runtime.
    pub run: for<'a> fn(&'a Ports) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

macro_rules! checks {
    ($($port:ident { $($check:ident,)* })*) => {
        /// Every promise of every port.
        pub const CHECKS: &[Check] = &[$($(Check {
            name: concat!(stringify!($port), "::", stringify!($check)),
            run: |ports| Box::pin($port::$check(ports)),
        },)*)*];
    };
}

checks! {
    job_store {
        inserting_twice_changes_nothing,
        what_is_saved_is_read_back,
        a_late_write_of_the_same_holder_changes_nothing,
        rows_are_listed_newest_first,
        pages_go_through_the_whole_list,
        lists_and_counts_follow_the_states,
        who_is_first_in_line_is_read_in_turn,
        who_may_not_be_there_is_passed_over,
        a_line_is_read_without_the_rows_that_are_known,
        an_order_is_taken_once,
        one_of_concurrent_orders_is_taken,
        a_job_that_ended_can_be_forgotten,
        a_stale_save_is_refused,
        saving_needs_a_row_and_its_own_lease,
        names_that_leave_the_folder_are_refused,
        a_row_that_cannot_be_read_back_is_refused,
        what_a_newer_version_wrote_is_left_alone,
    }
    event_log {
        every_change_is_told_once_and_in_order,
        events_are_read_from_anywhere,
        a_refused_write_tells_nothing,
        a_waiter_is_woken,
    }
    notification_store {
        what_is_subscribed_is_read_back,
        a_subscription_is_taken_once,
        there_are_no_more_subscriptions_than_may_be,
        a_change_of_an_old_version_is_refused,
        a_delivery_is_made_once,
        deliveries_are_listed_in_parts,
        history_is_pruned,
        endings_are_told_and_marked,
        a_courier_that_is_killed_goes_on,
    }
    lease_store {
        the_first_look_is_epoch_zero,
        epochs_only_grow,
        one_winner_among_concurrent_claims,
        a_claim_on_an_old_sighting_is_refused,
        a_renewal_is_seen_and_a_stale_one_refused,
        a_release_frees_and_may_be_repeated,
    }
    chunk_store {
        the_manifest_is_in_order,
        sealing_again_changes_nothing,
        another_digest_is_refused,
        wrong_bytes_are_refused,
        a_stale_seal_is_refused,
        jobs_do_not_see_each_other,
        concurrent_seals_of_one_chunk_agree,
    }
    checkpoint_store {
        what_is_put_is_got_back,
        all_whole_ones_are_listed,
        a_stale_put_is_refused,
        pruning_keeps_what_is_named,
        one_that_never_was_is_corrupt,
    }
    artifact_store {
        nothing_is_open_before_it_is_sealed,
        what_is_sealed_is_open,
        sealing_replaces,
        staging_again_begins_anew,
        a_stale_holder_can_neither_stage_nor_seal,
        sealing_needs_staging,
        an_attempt_is_removed_and_what_is_sealed_stays,
        the_digest_is_over_names_and_bytes,
        a_sweep_keeps_what_is_named,
        delivery_copies_and_replaces,
        what_was_delivered_is_taken_back,
        anothers_delivery_is_not_taken_back,
        a_stale_delivery_is_refused,
        what_the_house_keeps_outlives_the_job,
        delivery_refuses_folders,
    }
    assignment_board {
        each_node_reads_its_own,
        a_late_word_changes_nothing,
        what_all_are_told_is_read_by_all,
    }
    dataset_store {
        an_upload_grows_where_it_stands,
        the_same_bytes_are_the_same_version,
        datasets_are_listed_by_name,
        uploads_can_be_given_up,
        bytes_go_with_their_last_version,
        pieces_that_are_sent_at_once_are_there_once,
        uploads_that_leave_the_folder_are_refused,
    }
}
