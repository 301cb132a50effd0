use super::super::sentinels::Ballot;
use super::super::trial::{A, B, C, aborted, decided, ended, promoted_step, selected};
use super::*;

const ONE: SentinelId = SentinelId(1);

fn majority(server: ServerKey, epoch: u64) -> Majority {
    Majority::Server(Ballot { server, epoch, votes: 2, of: 3 })
}

fn settle(leads: &mut Leads, majority: &Majority, incumbent: ServerKey, now: u64) {
    let sentinels = Sentinels::default();
    let incumbent = Some(incumbent);
    leads.settle(&Scene { sentinels: &sentinels, majority, incumbent, now: Tick(now) });
}

fn led(steps: &[FailoverStep]) -> Leads {
    let mut leads = Leads::default();
    settle(&mut leads, &majority(A, 1), A, 0);
    steps.iter().for_each(|step| leads.hear(ONE, step, &majority(A, 1), Tick(0)));
    leads
}

#[test]
fn steps_only_go_forward() {
    let stages = |steps: &[FailoverStep]| led(steps).open().iter().map(|lead| lead.stage).collect::<Vec<_>>();
    assert_eq!(stages(&[decided(A), selected(A, B), decided(A)]), [Stage::Selected(B)]);
    assert_eq!(stages(&[promoted_step(A, B), selected(A, B)]), [Stage::Promoted(B)]);
    assert_eq!(stages(&[selected(A, B), selected(A, C)]), [Stage::Selected(C)]);
    assert_eq!(stages(&[selected(A, B), ended(A, None)]), [Stage::Ended(B)]);
    assert_eq!(stages(&[selected(A, B), aborted(C)]), [Stage::Selected(B)]);
    assert_eq!(stages(&[selected(A, B), aborted(A)]), []);
    assert_eq!(stages(&[ended(A, Some(B))]), [], "nobody heard it begin");
    assert_eq!(stages(&[decided(A), decided(B)]), [Stage::Decided], "one at a time");
}

#[test]
fn a_lead_is_settled_by_a_majority_and_not_before_its_server_is_master() {
    let mut leads = led(&[selected(A, B)]);
    settle(&mut leads, &majority(A, 1), B, 1);
    assert_eq!(leads.open().len(), 1, "two of three still name the old one");
    settle(&mut leads, &majority(B, 2), A, 2);
    assert_eq!(leads.open().len(), 1, "B has not said so");
    settle(&mut leads, &majority(B, 2), B, 3);
    assert!(leads.open().is_empty());
    assert_eq!(leads.closing(1), Some(Closing::Settled));
    // Another failover won.
    let mut leads = led(&[selected(A, B)]);
    settle(&mut leads, &majority(C, 2), B, 1);
    assert_eq!(leads.closing(1), Some(Closing::Settled));
}

#[test]
fn nothing_lasts_for_ever() {
    let mut leads = led(&[selected(A, B)]);
    settle(&mut leads, &majority(A, 1), B, 29_999);
    assert_eq!(leads.next_wake(), Some(Tick(30_000)));
    settle(&mut leads, &majority(A, 1), B, 30_000);
    assert_eq!(leads.closing(1), Some(Closing::Expired));
    let mut leads = led(&[selected(A, B), ended(A, Some(B))]);
    settle(&mut leads, &majority(A, 1), B, 10_000);
    assert_eq!(leads.closing(1), Some(Closing::Expired));
}

#[test]
fn a_majority_leads_once_an_epoch_and_only_ahead_of_others() {
    let mut leads = led(&[]);
    settle(&mut leads, &majority(B, 2), A, 1);
    assert_eq!(leads.open().iter().map(|lead| lead.leader).collect::<Vec<_>>(), [Leader::Majority(2)]);
    settle(&mut leads, &majority(B, 2), A, 30_001);
    assert!(leads.open().is_empty());
    settle(&mut leads, &majority(B, 2), A, 30_002);
    assert!(leads.open().is_empty(), "no news");
    settle(&mut leads, &majority(C, 3), A, 30_003);
    settle(&mut leads, &majority(B, 3), A, 30_004);
    assert!(leads.open().is_empty(), "it names that one no more");
    let mut leads = led(&[selected(A, B)]);
    settle(&mut leads, &majority(B, 2), A, 1);
    assert_eq!(leads.open().len(), 1, "it is led already");
}
