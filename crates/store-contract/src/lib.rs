//! What every store of tickets must do, as cases that each adapter runs against its real engine.
//!
//! The cases are plain functions over the [`Store`](ticket_domain::ports::Store) port; [`store_contract!`] holds the
//! only list of them and makes each a test. To check a store of your own, say how an empty one is made:
//!
//! ```
//! // tests/contract.rs of your crate, which needs tokio with `macros` and `rt-multi-thread`.
//! use std::sync::Arc;
//!
//! use store_diesel::SqliteStore;
//! use ticket_domain::ports::Store;
//!
//! async fn empty_store() -> (Arc<dyn Store>, ()) {
//!     (Arc::new(SqliteStore::temporary().unwrap()), ())
//! }
//!
//! store_contract::store_contract!(empty_store);
//! ```
//!
//! The second value is a guard: anything that removes the store's data when it is dropped at the end of a test, such
//! as a temporary folder. Each test gets a store of its own.

// This crate is test code: a case that finds a fault panics.
#![allow(clippy::expect_used, clippy::missing_panics_doc, clippy::panic, clippy::unwrap_used)]

mod calls;
pub mod cases;
mod everything;
mod failing;
pub mod files;
mod fixture;
mod values;

pub use everything::{call_everything, list_everything};
pub use failing::FailingStore;
pub use fixture::Fixture;

/// Makes every case of the contract a test of the store that the given function makes: an
/// `async fn() -> (Arc<dyn Store>, guard)`.
#[macro_export]
macro_rules! store_contract {
    ($make:path) => {
        $crate::store_contract! { @tests $make;
            opening::a_ticket_reads_back_exactly,
            opening::every_option_reads_back_as_nothing_too,
            opening::times_are_exact_to_the_microsecond,
            opening::a_taken_reference_writes_nothing,
            opening::equal_references_at_once_make_one_ticket,
            opening::openings_at_once_share_no_fate,
            opening::opened_since_counts_from_a_moment_on,
            opening::opened_since_is_never_too_few_out_of_order,

            idempotency::a_used_key_answers_the_first_ticket_and_writes_nothing,
            idempotency::a_used_key_goes_before_a_taken_reference,
            idempotency::a_key_ends_at_its_time_and_opens_another_ticket,
            idempotency::a_refused_opening_leaves_its_key_free,
            idempotency::equal_keys_at_once_make_one_ticket,

            reading::a_ticket_is_found_by_its_reference_only,
            reading::a_ticket_is_found_by_the_outside_id_of_a_message,
            reading::a_ticket_is_found_by_the_outside_id_of_a_delivered_notification,
            reading::an_outside_id_of_two_tickets_leads_to_none,
            reading::an_outside_id_that_names_one_ticket_twice_leads_to_it,
            reading::an_earlier_outside_id_leads_to_its_ticket_still,
            reading::a_thread_tells_how_far_its_newest_notification_got,
            reading::a_head_is_that_of_its_thread_whatever_happens,
            reading::first_answers_tell_how_long_tickets_waited,

            messages::appending_raises_the_version_and_keeps_the_order,
            messages::a_sender_fills_a_thread_up_and_no_other,
            messages::appending_reads_back_exactly,
            messages::only_a_message_that_reopens_changes_the_status,
            messages::an_appended_notification_goes_out_after_the_first,
            messages::an_outside_id_is_one_message_for_ever,
            messages::an_outside_id_of_another_ticket_is_answered_with_that_ticket,
            messages::without_an_outside_id_every_message_is_another,
            messages::appending_to_no_ticket_is_an_error_and_writes_nothing,
            messages::equal_outside_ids_at_once_make_one_message,
            messages::different_messages_at_once_are_all_written,

            attachments::an_upload_is_found_once_it_is_whole,
            attachments::a_ticket_is_opened_with_files,
            attachments::an_upload_joins_one_message,
            attachments::a_repeated_opening_is_told_its_ticket,
            attachments::files_of_a_note_raise_no_public_version,
            attachments::an_old_upload_is_given_up,
            attachments::erased_files_are_given_up,

            unmatched::a_message_is_kept_once_per_outside_id,
            unmatched::without_an_outside_id_every_message_is_kept,
            unmatched::what_is_kept_reads_back_exactly_until_it_joins,
            unmatched::equal_outside_ids_kept_at_once_are_one,
            unmatched::a_kept_message_joins_its_ticket,
            unmatched::joining_at_once_happens_once,
            unmatched::what_is_in_a_thread_is_not_kept,
            unmatched::keeping_and_appending_at_once_end_in_the_thread,
            unmatched::joining_no_ticket_leaves_the_message_kept,

            questions::the_newest_open_tickets_are_to_choose_from,
            questions::a_question_reads_back_exactly,
            questions::a_batch_takes_more_for_two_minutes,
            questions::a_kept_message_tells_its_own_question,
            questions::another_message_leaves_the_question_open,
            questions::bare_messages_at_once_are_one_question,
            questions::equal_outside_ids_at_once_ask_one_question,
            questions::waiting_messages_are_those_without_an_answer,
            questions::a_merged_question_covers_the_others,
            questions::a_question_is_sent_and_found_by_its_quote,
            restating::a_question_says_more_until_it_is_sent,
            restating::a_customers_question_says_more_until_it_is_answered,
            asked_customers::a_customer_is_asked_once_a_day_and_confirms,
            control_messages::a_control_message_is_no_message,
            control_messages::a_removal_is_recorded_with_its_command,
            control_messages::erasing_a_ticket_takes_what_was_said_of_it,
            questions::the_last_published_answer_is_found_whole,

            answers::an_answer_brings_everything_to_its_ticket,
            answers::a_question_is_answered_once,
            answers::an_answer_needs_no_outside_id,
            answers::an_answer_can_leave_everything_aside,
            answers::what_has_a_ticket_already_is_left_where_it_is,
            answers::a_message_is_no_answer,
            answers_at_once::twins_of_an_answer_are_one,
            answers_at_once::different_answers_at_once_are_one,
            answers_at_once::one_answer_at_once_is_to_one_question,
            answers_at_once::parts_that_come_as_the_answer_does_are_not_lost,
            answers_at_once::answers_and_messages_at_once_end,
            answers::an_answer_is_no_message,
            answers_at_once::an_outside_id_is_an_answer_or_a_message_and_never_both,

            claiming::a_claim_tells_everything_about_its_notification,
            claiming::only_what_is_due_is_claimed_and_the_longest_due_first,
            claiming::first_tries_can_be_asked_for_alone,
            claiming::tickets_take_turns_and_their_events_keep_their_order,
            claiming::what_is_leased_is_claimed_again_only_after_the_lease,
            claiming::two_workers_share_without_overlap,
            claiming::eight_workers_share_without_overlap,

            outcomes::delivered_ends_the_notification,
            outcomes::a_failed_try_counts_and_waits_for_its_time,
            outcomes::dead_gives_up,
            outcomes::returned_leaves_failures_and_schedule,
            outcomes::a_late_verdict_changes_nothing,
            outcomes::a_verdict_after_the_lease_counts_if_nobody_else_claimed,
            outcomes::a_lease_is_good_for_one_verdict,
            outcomes::verdicts_at_once_are_written_once,

            outcomes::diverted_goes_another_way,
            outcomes::what_went_another_way_is_not_held,

            receipts::a_message_that_was_handed_over_is_known,
            receipts::an_outside_id_of_two_notifications_leads_to_none,
            receipts::a_message_never_goes_backwards,
            receipts::the_thread_tells_how_far_the_message_is,
            receipts::a_refused_message_goes_another_way,
            receipts::a_message_that_failed_for_now_is_sent_again,
            receipts::a_message_that_arrived_is_not_refused,
            receipts::a_message_refused_for_good_is_dead,
            receipts::receipts_at_once_are_written_once,
            kept_receipts::a_kept_receipt_reads_back_exactly_once_its_message_is_known,
            kept_receipts::the_receipt_that_says_most_stays,
            kept_receipts::old_receipts_are_forgotten,
            receipts::a_message_that_is_called_like_an_earlier_one_is_not_known,
            receipts::what_is_sent_again_may_go_another_way,

            recipients::a_worker_claims_for_one_recipient,
            recipients::a_recipient_blocks_no_other,
            recipients::a_pause_concerns_one_recipient,
            recipients::a_thread_tells_of_the_manager_s_notification,
            recipients::an_attached_message_notifies_every_recipient,

            customer_mail::a_burst_of_answers_is_one_digest,
            customer_mail::a_digest_tells_what_is_news,
            customer_mail::nothing_is_told_to_whoever_wants_no_mail,
            customer_mail::a_resolution_is_told_while_it_holds,
            customer_mail::a_digest_without_news_is_dropped,
            customer_mail::a_digest_waits_for_its_time,
            customer_mail::answers_at_once_are_each_told_once,
            customer_mail::links_are_sent_once_an_hour,
            customer_mail::a_dead_digest_can_be_sent_again,
            customer_mail::the_mails_of_an_erased_ticket_go_with_it,

            probing::a_probe_takes_only_what_waits_and_is_not_due,
            probing::a_probe_takes_only_the_first_of_a_ticket,
            probing::the_one_probed_longest_ago_comes_next,
            probing::nothing_is_probed_soon_after_a_probe,
            probing::workers_that_probe_at_once_get_one,

            operating::releasing_makes_what_waits_due_and_keeps_its_schedule,
            operating::postponing_keeps_what_waits_until_a_moment,
            operating::only_the_unaddressed_untried_and_older_are_held,
            operating::what_is_held_is_not_claimed_and_keeps_its_place,
            operating::each_is_released_once_between_two_failures_that_count,
            operating::redelivering_makes_what_waits_or_is_held_due,
            operating::what_an_operator_released_is_not_held_again,
            operating::redelivering_the_dead_starts_their_schedule_anew,
            operating::redelivering_leaves_the_delivered_and_those_under_way,
            operating::the_undelivered_are_listed_newest_first,

            model::the_outbox_does_what_its_model_does,
            model::nobodys_words_go_astray,

            health::an_empty_store_is_well,
            health::vitals_count_every_state,
            health::vitals_count_what_is_unmatched,

            housekeeping::what_was_delivered_long_ago_goes_and_the_newest_stays,
            housekeeping::what_is_not_delivered_is_never_cleared_away,
            housekeeping::small_steps_come_to_the_end,
            housekeeping::keys_whose_time_has_ended_go,

            listing::a_list_holds_what_meets_every_condition,
            listing::pages_hold_every_ticket_once,
            listing::what_changes_comes_to_the_front,
            listing::a_list_tells_the_newest_message,
            listing::who_spoke_last_says_whom_a_ticket_awaits,
            listing::attention_is_wanted_by_open_tickets_whose_customer_spoke_last,

            search::every_word_is_found_wherever_it_stands,
            search::only_the_last_word_may_be_begun,
            search::case_accents_and_punctuation_do_not_count,
            search::each_message_is_looked_at_with_its_ticket,
            search::whatever_is_typed_is_only_words,
            search::results_come_in_pages_and_meet_the_conditions,
            searching::anything_may_be_looked_for,

            changing::a_wish_comes_true_and_is_noted,
            changing::a_ticket_that_does_not_exist_is_not_changed,
            changing::equal_wishes_at_once_come_true_once,

            attaching::what_is_unmatched_is_read_in_pages,
            attaching::a_message_is_found_with_its_ticket,
            attaching::an_attached_message_joins_its_ticket,
            attaching::only_what_is_kept_is_attached,
            attaching::attaching_at_once_happens_once,
            attaching::attaching_and_appending_at_once_end_in_one_thread,

            visibility::a_note_changes_nothing_that_customers_see,
            visibility::a_removed_message_no_longer_counts,
            visibility::what_is_in_another_thread_is_not_removed,
            visibility::removing_at_once_happens_once,

            repeating::a_used_key_answers_the_first_message_and_writes_nothing,
            repeating::a_key_is_used_for_one_thing,
            repeating::a_key_ends_at_its_time_and_adds_another_message,
            repeating::a_key_stands_only_for_what_was_written,
            repeating::a_reply_is_noted,
            repeating::equal_keys_at_once_make_one_message,

            audit_log::the_trail_is_read_newest_first_in_pages,
            audit_log::what_was_done_to_many_is_in_no_ticket_s_trail,
            audit_log::sending_again_is_noted_if_it_was_done,
            audit_log::the_dead_are_sent_again_at_once,
            audit_log::the_dead_of_other_ways_are_told,
            audit_log::the_dead_are_sent_again_once,

            contacts::a_number_and_a_user_id_lead_to_each_other,
            contacts::pairs_are_forgotten_by_number_and_by_age,

            erasing::what_is_erased_says_nothing_of_anybody,
            erasing::nobody_is_erased_twice,
            erasing::a_ticket_is_erased_in_steps,
            erasing::what_came_since_is_erased_too,
            erasing::what_is_told_of_an_erased_message_goes_with_it,
            erasing::a_made_up_address_protects_nobody,
            erasing::what_is_being_sent_is_erased_too,
            erasing::messages_are_found_by_their_number_and_erased,
            erasing_questions::questions_about_an_erased_ticket_are_closed,
            erasing_questions::questions_that_quote_an_erased_message_go,
            erasing::a_walk_finds_what_is_stale,

            change_feed::tickets_and_messages_are_told,
            change_feed::what_is_unmatched_is_told,
            change_feed::changes_are_told,
            change_feed::how_far_a_notification_got_is_told,
            change_feed::sending_everything_again_is_told,
            change_feed::what_happens_at_once_is_all_told,
        }
    };
    (@tests $make:path; $($topic:ident :: $case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let (store, _guard) = $make().await;
                $crate::cases::$topic::$case(&$crate::Fixture::new(store)).await;
            }
        )+
    };
}
