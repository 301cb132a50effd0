//! What a client and a server see of each other through the workers, over real sockets. One suite, run
//! against every engine: a test takes the engine's loop and knows nothing else of it.
//!
//! The library's own tests include this file too, for a ring that fails.
#![allow(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

pub(crate) mod closing;
pub(crate) mod flow;
pub(crate) mod freezing;
pub(crate) mod greeting;
pub(crate) mod harness;
pub(crate) mod life;
pub(crate) mod model;
pub(crate) mod room;
pub(crate) mod socks4;
pub(crate) mod stress;

pub(crate) fn plain(test: impl FnOnce()) {
    test();
}

/// From the first byte on.
pub(crate) fn in_pipes(test: impl FnOnce()) {
    harness::spliced(harness::Splicing::ALL, test);
}

/// Every test of the suite with an engine, copying (`plain`) or splicing (`in_pipes`), as a module of that name.
macro_rules! suite {
    ($($engine:ident = $run:path, $way:ident;)*) => {
        $(tests_of! { $engine, $run, $way,
            flow:
                both_directions_at_once_arrive_byte_for_byte
                bulk_of_64_mib_arrives_both_ways
                a_client_that_reads_slowly_holds_the_server_back
                a_server_that_reads_slowly_holds_the_client_back
                pipelined_requests_come_back_in_order
                two_thousand_sessions_at_once;
            freezing:
                bytes_both_ways_are_exact_however_often_it_freezes
                nothing_reaches_a_frozen_server_and_its_answers_come
                replies_that_are_held_back_come_at_the_thaw
                replies_that_are_held_back_are_thrown_away_by_a_cut
                what_waits_for_the_server_stays_here_and_goes_out_at_the_thaw
                a_client_that_resets_while_frozen_is_noticed
                a_client_that_closes_while_frozen_is_heard_at_the_thaw
                a_server_that_closes_while_frozen_ends_the_session
                a_thousand_frozen_sessions_are_cut
                timers_stand_still_while_frozen;
            greeting:
                a_header_is_taken_off_to_the_byte_however_it_comes
                who_says_it_all_at_once_and_closes_is_served
                who_does_not_say_who_it_is_reaches_no_server
                the_server_that_is_tried_next_gets_the_header_too;
            socks4:
                every_byte_behind_the_reply_is_the_servers
                a_server_that_has_ended_with_the_reply_is_heard_out
                a_header_follows_the_reply
                a_proxy_that_does_not_connect_is_a_server_that_refuses
                the_last_refusal_ends_the_session
                a_proxy_that_does_not_answer_times_out
                a_server_with_an_ipv6_address_cannot_be_reached;
            closing:
                a_client_that_half_closes_gets_the_whole_answer
                a_server_that_half_closes_still_gets_the_rest
                sessions_without_a_byte_end
                a_servers_reset_follows_its_last_byte
                a_clients_reset_reaches_the_server
                a_client_that_is_gone_after_its_fin_ends_the_session
                a_server_that_is_gone_after_its_fin_ends_the_session
                a_servers_last_words_before_a_reset_are_delivered
                a_cut_delivers_the_reply_in_flight_to_a_slow_reader
                a_slow_reader_gets_everything_before_the_servers_reset
                a_reader_that_stands_still_does_not_keep_a_dead_session
                a_cut_delivers_to_a_slow_reader_that_goes_on_asking;
            life:
                a_refused_connect_closes_the_client
                a_client_that_spoke_before_it_is_refused_sees_a_fin
                a_client_that_spoke_before_it_is_accepted_sees_a_fin
                a_connect_that_hangs_times_out
                silence_times_out
                a_soft_stop_ends_with_its_last_session
                a_stop_ends_sessions
                an_engine_that_does_not_come_up_is_told_to_the_starter
                a_worker_without_a_ring_serves_and_says_why
                a_pause_keeps_clients_waiting
                an_http_proxy_hands_its_client_over
                a_connection_passed_on_during_a_reload_lives
                a_listener_that_is_added_serves_and_one_removed_does_not;
            room:
                few_connections_are_spread_evenly
                the_frontends_maxconn_makes_the_next_one_wait
                the_binds_maxconn_makes_the_next_one_wait
                the_processs_maxconn_loses_no_wake_up
                a_rate_limit_delays_but_serves
                no_place_is_lost_to_clients_that_go_away;
            model:
                any_schedule_is_seen_as_through_a_queue_each_way;
            stress:
                a_server_may_end_at_any_point
                a_client_may_end_at_any_point
                short_sends_both_ways_lose_nothing
                readers_that_stand_still_starve_nobody
                those_who_send_without_end_starve_nobody
                cuts_at_any_time_leave_a_prefix
                thousands_of_short_sessions_leave_nothing;
        })*
    };
}

macro_rules! tests_of {
    ($engine:ident, $run:path, $way:ident, $($module:ident: $($test:ident)*;)*) => {
        mod $engine {
            $($(
                #[test]
                fn $test() {
                    super::suite::$way(|| super::suite::$module::$test($run));
                }
            )*)*
        }
    };
}
