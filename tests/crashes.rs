//! Power failures at the worst moments: a node that dies between any two of its steps, a coordinator
//! that dies in the middle of a round, a thousand questions at the cap. No answer without a charge, no
//! second answer to one attempt, and the same bytes when asked again.

mod support;

use std::time::Duration;

use almoner_api::{Refusal, v1};
use almoner_audit::verify_release;
use almoner_federation::PicoRho;
use support::client::refusal;
use support::{Federation, Setup};
use tokio::task::JoinSet;
use tokio::time::sleep;

const COUNT: &str = "SELECT area, COUNT(*) FROM people GROUP BY area";

async fn account(federation: &Federation, agency: &str) -> (u64, u64) {
    let request = v1::AccountRequest { planner: "ministry".into() };
    let reply = federation.node_client("coordinator", agency).account(request).await.expect("an account");
    let account = reply.into_inner();
    (account.total_charged, account.total_reserved)
}

/// A running federation whose node "middle" will stop dead at `step`.
fn drilled(setup: &Setup, step: &str) -> Federation {
    let mut federation = Federation::make(setup);
    federation.spawn_node("north", &[]);
    federation.spawn_node("middle", &["--crash-drill", step]);
    federation.spawn_node("south", &[]);
    federation.spawn_coordinator();
    for name in ["north", "middle", "south", "coordinator"] {
        federation.wait_for(name);
    }
    federation.wait_until_confirmed();
    federation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_before_its_ready_costs_nothing_and_the_same_question_goes_on() {
    for (step, reserved) in [("before-reserve", false), ("after-reserve", true)] {
        let mut federation = drilled(&Setup::small(), step);
        let (spec, plan) = federation.question("ministry", COUNT, "1");
        let signed = federation.sign("ministry", &spec);
        let price = plan.price().get();
        assert_eq!(
            refusal(federation.ask_signed("ministry", signed.clone(), false).await),
            Refusal::Quorum,
            "{step}"
        );
        federation.wait_for_end("middle");
        federation.spawn_node("middle", &[]);
        federation.wait_for("middle");
        let held = if reserved { price } else { 0 };
        assert_eq!(account(&federation, "middle").await, (0, held), "{step}: nothing is charged");

        let answer = federation.ask_signed("ministry", signed, false).await.expect("an answer");
        let release =
            verify_release(&federation.manifest, &answer.release.expect("a release")).expect("sound");
        assert_eq!(release.participants.len(), 3);
        for agency in ["north", "middle", "south"] {
            assert_eq!(account(&federation, agency).await, (price, 0), "{step}: {agency} is charged once");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_in_its_release_is_waited_for_and_charged_once() {
    for (step, charged_at_restart) in [
        ("before-charge", false),
        ("after-charge", true),
        ("after-witnessed", true),
        ("after-first-chunk", true),
    ] {
        let mut federation = drilled(&Setup::small(), step);
        let (spec, plan) = federation.question("ministry", COUNT, "1");
        let signed = federation.sign("ministry", &spec);
        let price = plan.price().get();
        let mut client = federation.coordinator_client("ministry");
        let request = v1::AskRequest { spec: Some(signed.clone()), fresh: false, new_attempt: false };
        let asking =
            tokio::spawn(async move { support::client::wait_for_answer(&mut client, request).await });
        federation.wait_for_end("middle");
        federation.spawn_node("middle", &[]);
        federation.wait_for("middle");
        let at_restart = account(&federation, "middle").await;
        let answer = asking.await.expect("no panic").expect("an answer");
        // The coordinator may have come back before the account was read; never is there a charge less.
        assert!(
            at_restart == (price, 0) || !charged_at_restart && at_restart == (0, price),
            "{step}: {at_restart:?}"
        );
        let release =
            verify_release(&federation.manifest, &answer.release.expect("a release")).expect("sound");
        for agency in ["north", "middle", "south"] {
            assert_eq!(account(&federation, agency).await, (price, 0), "{step}: {agency} is charged once");
        }
        // Asked again, it is the same release and no further charge.
        let again = federation.ask_signed("ministry", signed, false).await.expect("an answer");
        assert!(again.repeat);
        assert_eq!(again.release.expect("a release").total, release.total);
        assert_eq!(account(&federation, "middle").await, (price, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_dies_in_the_middle_of_a_round_resumes_the_same_context() {
    let mut federation = drilled(&Setup::small(), "before-charge");
    let (spec, plan) = federation.question("ministry", COUNT, "1");
    let signed = federation.sign("ministry", &spec);
    let price = plan.price().get();
    let mut client = federation.coordinator_client("ministry");
    let request = v1::AskRequest { spec: Some(signed.clone()), fresh: false, new_attempt: false };
    let asking = tokio::spawn(async move { support::client::wait_for_answer(&mut client, request).await });
    federation.wait_for_end("middle");
    // North and south have answered, or will: they are charged for this one context.
    for agency in ["north", "south"] {
        for _ in 0..200 {
            if account(&federation, agency).await.0 == price {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(account(&federation, agency).await, (price, 0));
    }
    federation.kill_coordinator();
    assert!(asking.await.expect("no panic").is_err(), "the planner loses the connection");
    federation.spawn_coordinator();
    federation.spawn_node("middle", &[]);
    federation.wait_for("middle");
    federation.wait_for("coordinator");
    let answer = federation.ask_signed("ministry", signed, false).await.expect("an answer");
    verify_release(&federation.manifest, &answer.release.expect("a release")).expect("a sound release");
    for agency in ["north", "middle", "south"] {
        assert_eq!(account(&federation, agency).await, (price, 0), "{agency} is charged once");
    }
    // The coordinator's own account counts the attempt once, too.
    let budget =
        federation.coordinator_client("ministry").budget(v1::BudgetRequest {}).await.expect("a budget");
    assert_eq!(budget.into_inner().planner_charged, price);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_agency_is_given_up_only_by_a_new_attempt_with_a_new_charge() {
    let mut setup = Setup::small();
    setup.constitution =
        setup.constitution.replace("quorum = 3\ncolluders = 1", "quorum = 2\ncolluders = 0\nwitnesses = 1");
    setup.coordinator_limits = "[limits]\nrelease_patience_s = 3\n".into();
    let federation = drilled(&setup, "before-charge");
    let (spec, plan) = federation.question("ministry", COUNT, "1");
    let signed = federation.sign("ministry", &spec);
    let price = plan.price().get();
    let lost = refusal(federation.ask_signed("ministry", signed.clone(), false).await);
    assert_eq!(lost, Refusal::Incomplete);
    assert_eq!(account(&federation, "north").await, (price, 0), "charged stays charged");
    // Asked again, the same round is resumed: still incomplete, still one charge.
    assert_eq!(refusal(federation.ask_signed("ministry", signed.clone(), false).await), Refusal::Incomplete);
    assert_eq!(account(&federation, "north").await, (price, 0));

    let mut client = federation.coordinator_client("ministry");
    let request = v1::AskRequest { spec: Some(signed), fresh: false, new_attempt: true };
    let answer = support::client::wait_for_answer(&mut client, request).await.expect("an answer");
    let release = verify_release(&federation.manifest, &answer.release.expect("a release")).expect("sound");
    assert_eq!(release.participants.len(), 2);
    assert_eq!(account(&federation, "north").await, (2 * price, 0), "a new attempt is a new charge");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_questions_at_once_never_pass_the_cap_by_one_pico_rho() {
    let mut setup = Setup::small().without_witnesses();
    let cap: PicoRho = "0.5".parse().expect("a rho");
    setup.node_limits = "[limits]\ntotal_rho = 0.5\nqueries_at_once = 256\n".into();
    let mut federation = Federation::make(&setup);
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    let mut asking = JoinSet::new();
    let mut price = 0;
    // A connection for each would be a trial of the system's accept queue instead.
    let clients: Vec<_> = (0..50).map(|_| federation.node_client("coordinator", "north")).collect();
    for number in 0..1_000 {
        let (spec, plan) = federation.question("ministry", COUNT, "0.02");
        price = plan.price().get();
        let request = v1::PrepareRequest { spec: Some(federation.sign("ministry", &spec)), attempt: 0 };
        let mut client = clients[number % clients.len()].clone();
        asking.spawn(async move { client.prepare(request).await });
    }
    let mut ready = 0;
    while let Some(answer) = asking.join_next().await {
        match answer.expect("no panic") {
            Ok(_) => ready += 1,
            Err(status) => {
                let refusal = Refusal::from_status(&status);
                assert!(
                    matches!(refusal, Some(Refusal::BudgetTotal | Refusal::BudgetPlanner | Refusal::Busy)),
                    "{status:?}"
                );
            }
        }
    }
    let (charged, reserved) = account(&federation, "north").await;
    assert_eq!((charged, reserved), (0, ready * price), "what was promised is what is reserved");
    assert!(reserved <= cap.get(), "{reserved} passes the cap");
    assert_eq!(ready, cap.get() / price, "the cap is used up, and not a pico-rho more");
}
