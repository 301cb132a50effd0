//! Whole failovers, as Sentinels tell of them, through the machine.

use super::super::decide::Reason;
use super::super::machine::Input;
use super::super::trial::{
    A, B, C, Trial, aborted, decided, ended, master, promoted, promoted_step, replica, selected, setup,
    with_replicas,
};
use super::*;
use crate::state::failover::Ending;
use crate::state::sentinel::Named;
use crate::state::{CutReason, Guarding};

use super::super::course::CourseStep;

fn at(effects: &[Effect], wanted: impl Fn(&Effect) -> bool) -> usize {
    effects.iter().position(wanted).unwrap_or_else(|| panic!("missing in {effects:?}"))
}

fn hastened(effects: &[Effect], now: Tick) -> Vec<ServerKey> {
    let hastens = effects.iter().filter_map(|effect| match effect {
        Effect::Hasten(server, until) if *until > now => Some(*server),
        _ => None,
    });
    hastens.collect()
}

fn thaw(effects: &[Effect]) -> Option<Thaw> {
    effects.iter().find_map(|effect| match effect {
        Effect::Thaw { why, .. } => Some(*why),
        _ => None,
    })
}

fn reason(effects: &[Effect]) -> Option<Reason> {
    effects.iter().find_map(|effect| match effect {
        Effect::Master { reason, .. } => Some(*reason),
        _ => None,
    })
}

fn endings(effects: &[Effect]) -> Vec<Ending> {
    let steps = effects.iter().filter_map(|effect| match effect {
        Effect::Course(CourseStep::Ended(ending)) => Some(*ending),
        _ => None,
    });
    steps.collect()
}

/// The master was killed and is back before Sentinels that were found meanwhile have heard of the new one; and then they
/// hang.
#[test]
fn sentinels_found_after_a_promotion_bring_the_old_master_back_only_if_they_go_on_naming_it() {
    let mut trial = Trial::settled();
    trial.dies(A);
    trial.says(B, promoted("b1", "h2", "h1", 500));
    trial.names(1, A, 0);
    trial.names(2, A, 0);
    trial.says(A, master("a2", "h9"));
    trial.rises(A);
    assert_eq!(trial.master(), Some(B));
    trial.after(4_900);
    assert_eq!(trial.master(), Some(B));
    trial.hears(2, SentinelWord::Lost);
    trial.after(2_000);
    assert_eq!(trial.master(), Some(B), "one Sentinel is no majority of two");
    trial.names(2, A, 0);
    assert_eq!(trial.master(), Some(A), "they mean it");
}

#[test]
fn a_planned_failover_freezes_hastens_switches_and_cuts_in_this_order() {
    let mut trial = Trial::watched();
    let effects = trial.leads(2, decided(A)).to_vec();
    let freeze =
        at(&effects, |effect| matches!(effect, Effect::Freeze { server: A, until: Tick(10_000), .. }));
    assert!(freeze < at(&effects, |effect| matches!(effect, Effect::Hasten(..))));
    assert_eq!(hastened(&effects, trial.now), [B, C]);
    assert_eq!(trial.frozen(), Some(A));

    trial.after(75);
    let effects = trial.leads(2, selected(A, C)).to_vec();
    assert!(effects.contains(&Effect::Course(CourseStep::Selected(C))));
    assert!(effects.contains(&Effect::Hasten(B, trial.now)), "{effects:?}");

    trial.after(80);
    let effects = trial.says(C, promoted("c1", "h2", "h1", 500)).to_vec();
    let word =
        at(&effects, |effect| matches!(effect, Effect::Master { server: Some(C), previous: Some(A), .. }));
    let thawed = at(&effects, |effect| *effect == Effect::Thaw { server: A, why: Thaw::Switched });
    let cut = at(&effects, |effect| *effect == Effect::Cut(A, CutReason::Succeeded));
    let look = at(&effects, |effect| *effect == Effect::Reconsider);
    assert!(word == 0 && word < thawed && thawed < cut && look == effects.len() - 1, "{effects:?}");
    assert_eq!(reason(&effects), Some(Reason::Selected(Leader::Sentinel(SentinelId(2)))));
    assert_eq!(endings(&effects), [Ending::Switched]);
    assert_eq!(hastened(&effects, trial.now), [A], "the old one is asked for its last word");

    // Two of three name the old one for another second, and it goes on saying that it is master.
    trial.says(A, master("a1", "h1"));
    for (sentinel, epoch) in [(1, 1), (3, 1)] {
        trial.names(sentinel, A, epoch);
        assert_eq!(trial.master(), Some(C));
    }
    trial.leads(2, promoted_step(A, C));
    trial.names(2, C, 2);
    trial.leads(2, ended(A, Some(C)));
    trial.names(1, A, 1);
    assert_eq!(trial.master(), Some(C));
    for sentinel in [1, 3] {
        assert_eq!(endings(trial.names(sentinel, C, 2)), []);
        assert_eq!((trial.master(), trial.frozen()), (Some(C), None));
    }
    trial.after(60_000);
    trial.says(A, master("a1", "h1"));
    assert_eq!(trial.master(), Some(C));
}

#[test]
fn nothing_is_frozen_twice_for_one_failover_however_often_it_is_told() {
    let mut trial = Trial::watched();
    for _ in 0..3 {
        trial.leads(1, decided(A));
        trial.leads(1, selected(A, B));
    }
    trial.leads(1, decided(A));
    assert_eq!(trial.frozen(), Some(A));
    trial.after(10_000);
    assert_eq!((thaw(&trial.effects), trial.frozen()), (Some(Thaw::Expired), None));
    assert_eq!(endings(&trial.effects), [Ending::Expired]);
    for step in [decided(A), selected(A, B)] {
        assert_eq!(trial.leads(1, step).iter().filter(|e| matches!(e, Effect::Freeze { .. })).count(), 0);
    }
    // The switch counts all the same when it comes.
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!(trial.master(), Some(B));
}

#[test]
fn an_abort_thaws_and_the_old_master_goes_on() {
    let mut trial = Trial::watched();
    trial.leads(1, decided(A));
    trial.leads(1, aborted(A));
    assert_eq!((thaw(&trial.effects), endings(&trial.effects)), (Some(Thaw::Aborted), vec![Ending::Aborted]));
    assert!(hastened(&trial.effects, trial.now).is_empty());
    assert_eq!((trial.master(), trial.frozen()), (Some(A), None));
}

#[test]
fn a_lost_leader_thaws_unless_another_names_the_selected_server() {
    for named in [false, true] {
        for step in [decided(A), selected(A, B), promoted_step(A, B)] {
            let mut trial = Trial::watched();
            trial.leads(1, step.clone());
            if named {
                trial.names(3, B, 2);
            }
            trial.hears(1, SentinelWord::Lost);
            let stays = named && step != decided(A);
            assert_eq!(trial.frozen(), stays.then_some(A), "{step:?} {named}");
            if !stays {
                assert_eq!(thaw(&trial.effects), Some(Thaw::LeaderLost));
            }
        }
    }
}

#[test]
fn a_leader_in_tilt_leads_nothing() {
    for step in [decided(A), selected(A, B)] {
        let mut trial = Trial::watched();
        trial.leads(1, step.clone());
        assert_eq!(trial.frozen(), Some(A));
        trial.hears(1, SentinelWord::Tilt(true));
        assert_eq!((trial.frozen(), thaw(&trial.effects)), (None, Some(Thaw::LeaderLost)));
        // What it still had to send.
        trial.leads(1, step.clone());
        assert_eq!(trial.frozen(), None);
        // It goes on where it stopped.
        trial.hears(1, SentinelWord::Tilt(false));
        trial.leads(1, step);
        assert_eq!(trial.frozen(), Some(A));
    }
}

#[test]
fn a_leader_that_is_lost_after_the_switch_leaves_the_choice_to_the_majority() {
    let mut trial = Trial::watched();
    trial.leads(1, selected(A, B));
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!(trial.master(), Some(B));
    trial.hears(1, SentinelWord::Lost);
    assert_eq!(trial.master(), Some(A), "no epoch names B, and the Sentinels will take its role away");
    assert!(trial.effects.contains(&Effect::Cut(B, CutReason::Succeeded)));
    // That B was promoted does not count later either, when no majority answers.
    trial.hears(2, SentinelWord::Lost);
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!(trial.master(), Some(A));
    // But C's promotion out of the same history does.
    trial.says(C, promoted("c1", "h3", "h1", 900));
    assert_eq!(trial.master(), Some(C));
}

#[test]
fn only_the_incumbents_failover_freezes() {
    let mut trial = Trial::watched();
    for step in [decided(B), selected(B, C), decided(ServerKey(77))] {
        trial.leads(1, step);
        assert_eq!(trial.frozen(), None);
    }
    let stranger = Named::Stranger("10.9.9.9:6379".to_owned());
    trial
        .hears(1, SentinelWord::Failover(crate::state::sentinel::FailoverStep::Decided { master: stranger }));
    assert_eq!(trial.frozen(), None);
    // Late words about a failover that is over.
    trial.leads(2, selected(A, B));
    trial.says(B, promoted("b1", "h2", "h1", 500));
    for sentinel in 1..=3 {
        trial.names(sentinel, B, 2);
    }
    for step in [decided(A), selected(A, C), promoted_step(A, C), ended(A, Some(C)), aborted(A)] {
        trial.leads(2, step);
        assert_eq!((trial.master(), trial.frozen()), (Some(B), None));
    }
}

#[test]
fn a_named_server_that_does_not_say_so_makes_nobody_leave_but_freezes_the_incumbent() {
    let mut trial = Trial::watched();
    trial.names(1, B, 2);
    assert_eq!(trial.frozen(), None, "one of three");
    trial.names(2, B, 2);
    assert_eq!((trial.master(), trial.frozen()), (Some(A), Some(A)));
    assert_eq!(hastened(&trial.effects, trial.now), [B]);
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!((trial.master(), trial.frozen()), (Some(B), None));

    // It never says so: the incumbent goes on.
    let mut trial = Trial::watched();
    for sentinel in 1..=3 {
        trial.names(sentinel, B, 2);
    }
    trial.after(10_000);
    assert_eq!((trial.master(), trial.frozen()), (Some(A), None));
    trial.after(60_000);
    trial.names(1, B, 2);
    assert_eq!((trial.master(), trial.frozen()), (Some(A), None), "no news");
}

#[test]
fn a_majority_names_the_master_whatever_lineage_says() {
    let mut trial = Trial::watched();
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!(trial.master(), Some(A));
    assert!(trial.effects.contains(&Effect::AskSentinels), "nothing explains it");
    assert!(!trial.says(B, promoted("b1", "h2", "h1", 500)).contains(&Effect::AskSentinels), "asked once");
    trial.hears(1, SentinelWord::Lost);
    assert_eq!(trial.master(), Some(A));
    trial.hears(2, SentinelWord::Lost);
    assert_eq!(trial.master(), Some(B), "no majority answers: lineage");
    trial.names(1, A, 1);
    assert_eq!(trial.master(), Some(B), "it may not have heard yet");
    trial.after(5_000);
    assert_eq!(trial.master(), Some(A));
    assert!(matches!(reason(&trial.effects), Some(Reason::Named(_))));
}

#[test]
fn while_a_majority_names_a_dead_master_nobody_takes_its_place() {
    let mut trial = Trial::watched();
    trial.dies(A);
    trial.says(C, master("c2", "h9"));
    assert_eq!(trial.master(), Some(A));
    trial.says(A, replica("a2", "h9"));
    assert_eq!(trial.master(), None);
    trial.after(60_000);
    assert_eq!(trial.master(), None);
    for sentinel in [1, 2] {
        trial.names(sentinel, C, 2);
    }
    assert_eq!(trial.master(), Some(C));
}

#[test]
fn at_a_start_with_two_masters_the_one_that_sentinels_name_is_chosen() {
    let mut trial = Trial::of(&[A, B, C]);
    for sentinel in [1, 2] {
        trial.hears(sentinel, SentinelWord::Census(3));
        trial.names(sentinel, B, 4);
    }
    trial.says(A, with_replicas(master("a1", "h1"), 2));
    assert_eq!(trial.master(), None);
    trial.after(60_000);
    assert_eq!(trial.master(), None, "B is the master, and does not answer");
    trial.says(B, master("b1", "h2"));
    assert_eq!(trial.master(), Some(B));
}

#[test]
fn a_stranger_decides_nothing_and_is_told_once() {
    let mut trial = Trial::watched();
    let stranger =
        || SentinelWord::Names { master: Named::Stranger("10.9.9.9:1".to_owned()), config_epoch: 9 };
    let mut told = 0;
    for _ in 0..3 {
        for sentinel in 1..=3 {
            let effects = trial.hears(sentinel, stranger());
            told += effects.iter().filter(|effect| matches!(effect, Effect::Stranger(_))).count();
            assert_eq!((trial.master(), trial.frozen()), (Some(A), None));
        }
    }
    assert_eq!(told, 1);
}

#[test]
fn the_clock_of_the_hold_begins_after_a_freeze() {
    let mut trial = Trial::watched();
    trial.leads(1, decided(A));
    trial.after(1_000);
    trial.dies(A);
    assert!(!trial.effects.iter().any(|effect| matches!(effect, Effect::Masterless(_))));
    trial.after(9_000);
    assert_eq!(thaw(&trial.effects), Some(Thaw::Expired));
    assert!(trial.effects.contains(&Effect::Masterless(Some(Tick(10_000)))));
}

#[test]
fn a_frozen_master_that_reports_another_role_is_cut_and_thawed() {
    let mut trial = Trial::watched();
    trial.leads(1, decided(A));
    let effects = trial.says(A, replica("a1", "h1")).to_vec();
    assert_eq!((thaw(&effects), trial.frozen()), (Some(Thaw::Demoted), None));
    assert!(effects.contains(&Effect::Cut(A, CutReason::RoleChanged)));
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!(trial.master(), None, "two of three name A, and nobody selected B yet");
    trial.leads(1, selected(A, B));
    assert_eq!(trial.master(), Some(B));
}

#[test]
fn a_reload_that_takes_the_frozen_server_or_the_rule_away_thaws() {
    for (wanted, why) in
        [(setup(Guarding::Master, &[B, C]), Thaw::Removed), (setup(Guarding::Masters, &[A, B, C]), Thaw::Off)]
    {
        let mut trial = Trial::watched();
        trial.leads(1, decided(A));
        trial.step(Input::Apply(wanted));
        assert_eq!((thaw(&trial.effects), trial.frozen()), (Some(why), None));
    }
    let mut trial = Trial::watched();
    trial.leads(1, decided(A));
    trial.step(Input::Apply(setup(Guarding::Master, &[A, C, B])));
    assert_eq!(trial.frozen(), Some(A), "a reload that changes nothing of it");
}

#[test]
fn an_operators_hint_is_verified_by_role() {
    let answered = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Answer(answer) => Some(*answer),
            _ => None,
        })
    };
    // It says so in time.
    let mut trial = Trial::watched();
    assert_eq!(answered(trial.step(Input::Hint(B, None))), None);
    assert_eq!((trial.frozen(), hastened(&trial.effects, trial.now)), (Some(A), vec![B]));
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!((trial.master(), answered(&trial.effects)), (Some(B), Some(Answer::Master(B))));
    trial.names(1, A, 1);
    assert_eq!(trial.master(), Some(B), "for a while");
    trial.after(10_000);
    assert_eq!(trial.master(), Some(A), "the Sentinels know better in the end");
    // It does not.
    let mut trial = Trial::watched();
    trial.step(Input::Hint(B, None));
    trial.after(1_000);
    assert_eq!((thaw(&trial.effects), trial.frozen()), (Some(Thaw::Expired), None), "nobody confirmed it");
    let gave_up = |effect: &Effect| matches!(effect, Effect::Hasten(B, until) if *until <= Tick(1_000));
    assert!(answered(&trial.effects).is_none() && !trial.effects.iter().any(gave_up), "it is still awaited");
    trial.after(9_000);
    assert_eq!(answered(&trial.effects), Some(Answer::Refused(B, Refusal::NotMaster)));
    assert_eq!((trial.master(), trial.frozen()), (Some(A), None));
    // It is master: nothing to freeze for. So is one that says so already, as after a switch.
    let mut trial = Trial::watched();
    assert_eq!(answered(trial.step(Input::Hint(A, None))), Some(Answer::Master(A)));
    assert_eq!(trial.frozen(), None);
    trial.says(B, promoted("b1", "h2", "h1", 500));
    assert_eq!(trial.master(), Some(A));
    assert_eq!(answered(trial.step(Input::Hint(B, Some(2)))), Some(Answer::Master(B)));
    assert!(!trial.effects.iter().any(|effect| matches!(effect, Effect::Freeze { .. })));
    // An old script.
    let mut trial = Trial::watched();
    let refused = answered(trial.step(Input::Hint(B, Some(1))));
    assert!(matches!(refused, Some(Answer::Refused(B, Refusal::Stale(_)))), "{refused:?}");
    assert_eq!(trial.frozen(), None);
    // None of the backend's.
    let refused = answered(trial.step(Input::Hint(ServerKey(77), None)));
    assert_eq!(refused, Some(Answer::Refused(ServerKey(77), Refusal::Removed)));
    // And where there is no single master.
    let mut trial = Trial::with(setup(Guarding::Masters, &[A, B]));
    let refused = answered(trial.step(Input::Hint(B, None)));
    assert_eq!(refused, Some(Answer::Refused(B, Refusal::Unguarded)));
}

#[test]
fn a_sentinel_that_leads_what_was_hinted_at_gives_the_freeze_its_whole_time() {
    for hint_first in [true, false] {
        let mut trial = Trial::watched();
        if hint_first {
            trial.step(Input::Hint(B, None));
            trial.after(500);
        }
        trial.leads(2, decided(A));
        if !hint_first {
            trial.after(500);
            trial.step(Input::Hint(B, None));
        }
        trial.after(9_400);
        assert_eq!(trial.frozen(), Some(A));
        trial.after(100);
        assert_eq!((thaw(&trial.effects), trial.frozen()), (Some(Thaw::Expired), None));
    }
}

#[test]
fn a_switch_that_nobody_announced_has_a_record_too() {
    let mut trial = Trial::settled();
    trial.after(500);
    trial.dies(A);
    trial.after(700);
    let effects = trial.says(B, promoted("b1", "h2", "h1", 500)).to_vec();
    let began = effects.iter().find_map(|effect| match effect {
        Effect::Course(CourseStep::Began { from, since, .. }) => Some((*from, *since)),
        _ => None,
    });
    assert_eq!(began, Some((Some(A), Tick(500))));
    assert_eq!(endings(&effects), [Ending::Switched]);
}
