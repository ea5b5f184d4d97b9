//! What every store must do, as one suite for all of them: new promises go in here, never into
//! the tests of one back end. Each area is a function over a fresh, empty store; [`run_all`] runs
//! them all. They panic where a promise is broken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test suite: a broken promise ends it, and a story is told in one place"
)]

use std::future::Future;
use std::sync::Arc;

use switchhook_engine::store::Store;

pub mod accounts;
pub mod agents;
pub mod audit;
pub mod calls;
pub mod calls_of_agents;
pub mod connections;
pub mod contacts;
pub mod dials;
pub mod folding;
pub mod idempotency;
pub mod imports;
pub mod installation;
pub mod isolation;
pub mod keys;
pub mod log;
pub mod media;
pub mod messages;
pub mod moments;
pub mod orders;
pub mod people;
pub mod prune;
pub mod states;
pub mod tasks;
pub mod vendors;
pub mod world;

/// Hands the list of all areas to a macro, so that a test harness can make a test of each:
/// `for_each_area!(my_macro, extra)` calls `my_macro!(extra, area::test, …)`.
#[macro_export]
macro_rules! for_each_area {
    ($macro:ident, $extra:ident) => {
        $macro!(
            $extra,
            log::events_are_numbered_without_gaps,
            log::wakes_tell_of_own_commits,
            log::a_refused_changeset_leaves_no_trace,
            log::commits_of_one_caller_keep_their_order,
            log::notifications_are_kept_with_their_verdict,
            calls::lists_page_both_ways,
            calls::filters_select,
            calls_of_agents::calls_are_found_by_their_agent,
            orders::lists_go_by_start_and_by_length,
            orders::a_call_is_found_by_its_names,
            calls::a_scan_is_bounded_and_can_go_on,
            calls::the_snapshot_has_the_open_calls,
            folding::signals_find_their_call_again,
            folding::two_calls_become_one,
            folding::an_unseen_fragment_disappears,
            folding::a_snapshot_of_the_platform_ends_what_is_gone,
            folding::the_reaper_finds_what_is_due,
            folding::any_text_is_accepted,
            people::apps_come_and_change,
            keys::keys_come_and_go,
            keys::a_key_is_replaced_once,
            keys::an_imported_key_is_claimed_once,
            keys::the_last_use_is_kept,
            people::links_work_once_and_sessions_until_they_end,
            accounts::a_server_is_set_up_once,
            accounts::people_belong_to_their_app,
            accounts::an_app_keeps_an_administrator,
            accounts::one_time_links_work_once,
            accounts::sessions_end_with_the_right_to_them,
            connections::connections_come_and_go,
            connections::a_connection_is_changed,
            connections::a_connection_remembers_when_it_was_heard,
            contacts::contacts_are_found,
            contacts::a_caller_is_matched,
            messages::messages_move_forward,
            messages::messages_are_filtered,
            messages::presence_is_told_when_it_changes,
            states::the_state_beneath_a_call_is_there,
            states::presence_is_read_back,
            agents::a_roster_is_replaced_by_whoever_saw_the_last,
            agents::a_token_ends_with_its_time_its_agent_and_its_key,
            agents::a_token_ends_with_the_person_who_minted_it,
            agents::a_call_says_whose_it_is,
            audit::entries_are_appended_and_found,
            audit::of_several_with_one_number_one_is_kept,
            audit::what_has_begun_is_remembered_until_it_is_on_record,
            installation::an_installation_key_is_made_once,
            installation::everything_is_sealed_anew,
            dials::dials_go_their_way,
            dials::one_key_is_one_dial,
            dials::due_and_recent_dials_are_found,
            dials::a_policy_is_kept,
            vendors::tokens_are_replaced_by_whoever_saw_the_last,
            vendors::subscriptions_come_due,
            vendors::a_lease_has_one_owner,
            vendors::a_sign_in_is_taken_once,
            vendors::what_is_held_goes_with_its_connection,
            vendors::mapping_files_are_kept,
            media::a_recording_follows_its_call,
            media::recordings_move_when_calls_are_joined,
            media::a_link_runs_out_and_comes_back,
            media::lists_of_recordings_page_both_ways,
            media::recordings_come_due,
            media::voicemails_come_and_go,
            prune::the_log_loses_its_beginning_only,
            idempotency::a_request_is_claimed_once,
            idempotency::an_answer_is_kept_for_its_app_and_time,
            idempotency::a_claim_is_its_owners,
            idempotency::requests_are_forgotten,
            imports::an_import_remembers_its_position,
            imports::history_is_kept_and_not_told,
            moments::a_moment_goes_from_the_ring_to_the_disposition,
            moments::a_refused_deed_leaves_no_trace,
            moments::a_deed_needs_its_call,
            moments::joined_calls_keep_what_was_said,
            moments::moments_are_listed,
            tasks::a_task_is_changed_by_whoever_saw_the_last,
            tasks::tasks_are_found,
            tasks::tasks_come_due,
            tasks::settings_for_work_are_kept,
            isolation::a_foreign_id_is_an_unknown_id,
        );
    };
}

macro_rules! run_one {
    ($fresh:ident, $($area:ident :: $test:ident),* $(,)?) => {$(
        let store = $fresh().await;
        $area::$test(Arc::clone(&store)).await;
        store.close().await;
    )*};
}

/// Runs every area, each on a store of its own.
pub async fn run_all<F, Made>(fresh: F)
where
    F: Fn() -> Made,
    Made: Future<Output = Arc<dyn Store>>,
{
    crate::for_each_area!(run_one, fresh);
}
