//! Faults: whatever happens between the operator and the apiserver, a run ends in the state of an undisturbed one.
//!
//! An operator of the test's own, the shipped one being away, works behind a proxy that does the harm. `make e2e` runs
//! a round of each fault; `make faults` runs each fault at each write in turn.

mod bench;
mod cluster;
mod scenario;
mod watches;

use std::time::Duration;

use futures::{StreamExt as _, stream};

use bench::{Bench, Reference};
use scenario::Scenario;

use e2e::proxy::{Answer, Fault, Rule, Side, When, Which};

/// How many of the possible rounds are run: all, or so many of each fault, chosen at random.
const ROUNDS: &str = "FLACSHIP_FAULT_ROUNDS";
/// What the choice began with, to make it again.
const SEED: &str = "FLACSHIP_FAULT_SEED";

/// How many runs go on at once, each in a namespace of its own: most of their time they wait.
const AT_ONCE: usize = 6;

/// How late a request comes: when the operator has tried it anew.
const LATE: Duration = Duration::from_millis(1500);

/// Chooses the rounds of each fault.
pub struct Rounds {
    /// For what else is left to chance.
    pub random: fastrand::Rng,
    /// None: all of them.
    count: Option<usize>,
}

impl Rounds {
    /// As the environment says; `count` where it says nothing.
    pub fn from_environment(count: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let seed = number(SEED).unwrap_or_else(|| fastrand::u64(..));
        println!("{SEED}={seed}");
        let count = match std::env::var(ROUNDS).as_deref() {
            Ok("all") => None,
            Ok(text) => Some(text.parse().unwrap_or_else(|_| panic!("{ROUNDS}: a number or all, and not {text:?}"))),
            Err(_) => Some(count),
        };
        Self { random: fastrand::Rng::with_seed(seed), count }
    }

    /// How many rounds of something that can happen at any moment; `all` where all are to be run.
    pub fn count(&self, all: usize) -> usize {
        self.count.unwrap_or(all)
    }

    /// The chosen of the writes 1 to `writes`. How many there are depends on which changes a reconcile sees at once, so
    /// the last few may not come to be: where few are chosen, these are left out.
    fn writes(&mut self, writes: u64) -> Vec<u64> {
        let last = if self.count.is_some() { writes.div_ceil(4) * 3 } else { writes };
        let all: Vec<u64> = (1..=last).collect();
        self.some(&all)
    }

    /// The chosen of these.
    fn some<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        let mut chosen = all.to_vec();
        if let Some(count) = self.count {
            self.random.shuffle(&mut chosen);
            chosen.truncate(count);
        }
        chosen
    }
}

fn answer(code: u16) -> Fault {
    let retry_after = (code == 429).then_some(Duration::from_secs(1));
    Fault::Answer(Answer { code, retry_after })
}

/// Meets each chosen write of the scenario with this fault, a run each, some of them at once.
async fn at_each_write(
    bench: &Bench,
    scenario: &Scenario,
    reference: &Reference,
    faults: &[Fault],
    rounds: &mut Rounds,
) {
    let mut rules = Vec::new();
    for fault in faults {
        rules.extend(rounds.writes(reference.writes).into_iter().map(|write| (write, *fault)));
    }
    let compare = |(write, fault)| async move {
        let what = format!("{}, write {write} of {} {fault}", scenario.name, reference.writes);
        bench.compare(&what, scenario, reference, vec![Rule::nth_write(write, fault)]).await
    };
    let hits: Vec<bool> = stream::iter(rules).map(compare).buffer_unordered(AT_ONCE).collect().await;
    let (runs, missed) = (hits.len(), hits.iter().filter(|hit| !**hit).count());
    println!("{runs} runs, {missed} of which ended before the write came");
    assert!(missed * 2 < runs, "{missed} of {runs} runs met no fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_at_a_write_goes_on_where_it_was() {
    let bench = Bench::set_up().await;
    let kills = [Fault::Kill(Side::Before), Fault::Kill(Side::After)];
    let mut rounds = Rounds::from_environment(1);
    let converter = scenario::converter();
    let reference = bench.reference(&converter).await;
    at_each_write(&bench, &converter, &reference, &kills, &mut rounds).await;

    let scaling = scenario::scaling();
    let reference = bench.reference(&scaling).await;
    at_each_write(&bench, &scaling, &reference, &rounds.some(&kills), &mut rounds).await;

    let job = scenario::job();
    let reference = bench.reference(&job).await;
    at_each_write(&bench, &job, &reference, &rounds.some(&kills), &mut rounds).await;

    // A stage whose result is gone, as its pod is, runs again.
    let rules = vec![Rule { which: Which::CallsOf("pods/log"), when: When::First(1), fault: answer(404) }];
    assert!(bench.compare("job, a result is gone", &job, &reference, rules).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_fails_is_made_good() {
    let mut rounds = Rounds::from_environment(1);
    let bench = Bench::set_up().await;
    let faults = [
        Fault::Cut(Side::Before),
        Fault::Cut(Side::After),
        Fault::Late(LATE),
        answer(409),
        answer(429),
        answer(500),
        answer(503),
    ];
    let converter = scenario::converter();
    let reference = bench.reference(&converter).await;
    at_each_write(&bench, &converter, &reference, &faults, &mut rounds).await;

    // Where pods come and go a write may be about one of them, or of the count.
    let scaling = scenario::scaling();
    let scaled = bench.reference(&scaling).await;
    let some = rounds.some(&[Fault::Cut(Side::Before), Fault::Cut(Side::After), answer(409), answer(429), answer(500)]);
    at_each_write(&bench, &scaling, &scaled, &some, &mut rounds).await;

    // And not one write alone.
    for fault in rounds.some(&faults) {
        let rules = vec![Rule { which: Which::All, when: When::Every(7), fault }];
        let hit = bench.compare(&format!("every seventh request {fault}"), &converter, &reference, rules).await;
        assert!(hit, "no request met the fault");
    }
    let slow = vec![Rule::slow(Duration::from_millis(100))];
    assert!(bench.compare("every request slow", &converter, &reference, slow).await);
}
