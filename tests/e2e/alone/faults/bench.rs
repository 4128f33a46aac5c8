//! Runs a scenario with and without faults, and compares where it ends.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;

use super::scenario::{QUIET, Scenario};
use crate::harness::children::Children;
use crate::harness::identity::{self, Identity};
use crate::harness::operator::Absent;
use crate::harness::process::Kept;
use crate::harness::proxy::Proxy;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, artifacts};
use e2e::proxy::{Rule, Side};
use e2e::state::State;

/// A cluster without the shipped operator, and one of the test's own with the same rights.
pub struct Bench {
    /// The administrator.
    pub client: Client,
    children: Children,
    operator: Client,
    // In the order of their ends: the shipped operator comes back last.
    identity: Identity,
    _absent: Absent,
}

/// What an undisturbed run of a scenario came to.
pub struct Reference {
    /// The state after each step.
    pub states: Vec<State>,
    /// How many changes the operator asked for.
    pub writes: u64,
}

/// One run under way.
pub struct Run<'a> {
    bench: &'a Bench,
    /// The namespace.
    pub namespace: Namespace,
    /// Between the operator and the apiserver.
    pub proxy: Arc<Proxy>,
    operator: Kept,
    _prepared: Option<crate::harness::volume::Volume>,
}

impl Bench {
    /// Takes the shipped operator away for as long as the bench lives.
    pub async fn set_up() -> Self {
        let absent = Absent::begin();
        let identity = Identity::as_shipped();
        let client = Client::try_default().await.expect("a client");
        let children = Children::of(&client, identity.rights()).await;
        Self { client, children, operator: identity.client().await, identity, _absent: absent }
    }

    /// Starts an operator for the scenario's namespace, behind a proxy with these rules.
    pub async fn begin(&self, scenario: &Scenario, rules: Vec<Rule>) -> Run<'_> {
        let namespace = Namespace::restricted(&format!("fault-{}", scenario.name));
        let prepared = (scenario.prepare)(&namespace);
        let proxy = Arc::new(Proxy::open(self.operator.clone()).await);
        proxy.obey(rules);
        let operator = Kept::start(&format!("{}.own-operator", namespace.name()), &proxy, arguments(&namespace));
        Run { bench: self, namespace, proxy, operator, _prepared: prepared }
    }

    /// What an undisturbed run of the scenario comes to; it is run once.
    pub async fn reference(&self, scenario: &Scenario) -> Arc<Reference> {
        static KNOWN: Mutex<BTreeMap<&str, Arc<Reference>>> = Mutex::new(BTreeMap::new());
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reference) = known().get(scenario.name) {
            return Arc::clone(reference);
        }
        let reference = Arc::new(self.run_undisturbed(scenario).await);
        known().insert(scenario.name, Arc::clone(&reference));
        reference
    }

    async fn run_undisturbed(&self, scenario: &Scenario) -> Reference {
        let run = self.begin(scenario, Vec::new()).await;
        let mut states = Vec::new();
        for step in &scenario.steps {
            step.act.carry_out(&self.client, run.namespace.name()).await;
            let state = wait::until_async(step.what, STEP, async || {
                let objects = self.children.read(run.namespace.name()).await.map_err(|error| error.to_string())?;
                let quiet = run.proxy.idle() > QUIET;
                if quiet && (step.done)(&objects) {
                    Ok(State::of(run.namespace.name(), &objects))
                } else {
                    Err(format!("quiet: {quiet}\n{}", State::of(run.namespace.name(), &objects)))
                }
            })
            .await;
            states.push(state);
        }
        let writes = u64::try_from(run.proxy.writes()).expect("a count");
        println!("undisturbed: {writes} writes, {:?}", states.last().map(|state| state.names().collect::<Vec<_>>()));
        run.end().await;
        Reference { states, writes }
    }

    /// Runs the scenario by these rules; the state has to be that of the undisturbed run after each step. Says whether
    /// a rule has hit.
    pub async fn compare(&self, what: &str, scenario: &Scenario, reference: &Reference, rules: Vec<Rule>) -> bool {
        self.compare_with(what, scenario, reference, rules, |_, _| {}).await
    }

    /// [`Self::compare`] with something done to the run on either side of each change.
    pub async fn compare_with(
        &self,
        what: &str,
        scenario: &Scenario,
        reference: &Reference,
        rules: Vec<Rule>,
        harm: impl Fn(&Run<'_>, Side),
    ) -> bool {
        let begin = Instant::now();
        let run = self.begin(scenario, rules).await;
        for (step, wanted) in scenario.steps.iter().zip(&reference.states) {
            harm(&run, Side::Before);
            step.act.carry_out(&self.client, run.namespace.name()).await;
            harm(&run, Side::After);
            run.reaches(&format!("{what}: {}", step.what), wanted).await;
        }
        if let Some(last) = reference.states.last() {
            run.comes_to_rest(what, last).await;
        }
        let (hits, kills) = (run.proxy.hits(), run.operator.kills());
        println!("{what}: {hits} faults, {kills} kills, {:.1} s", begin.elapsed().as_secs_f64());
        run.end().await;
        hits > 0 || kills > 0
    }
}

impl Run<'_> {
    /// Waits until the objects are in this state.
    pub async fn reaches(&self, what: &str, wanted: &State) {
        self.wait_for(what, wanted, Duration::ZERO).await;
    }

    /// Waits until the objects are in this state while the operator is quiet. That it is quiet alone says little: it may
    /// be waiting to try again what failed.
    pub async fn comes_to_rest(&self, what: &str, wanted: &State) {
        self.wait_for(&format!("{what}: at rest"), wanted, QUIET).await;
    }

    async fn wait_for(&self, what: &str, wanted: &State, quiet: Duration) {
        let begin = Instant::now();
        loop {
            self.operator.kills();
            let before = self.proxy.idle();
            let mut differences = match self.bench.children.state(self.namespace.name()).await {
                Ok(state) => state.differences(wanted),
                Err(error) => vec![error.to_string()],
            };
            let idle = self.proxy.idle().min(before);
            if idle < quiet {
                differences.push(format!("the operator was quiet for {idle:?} only"));
            }
            if differences.is_empty() {
                return;
            }
            if begin.elapsed() > STEP {
                self.leave_traces();
                panic!("{what}: not as without a fault after {STEP:?}: {differences:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the operator and checks that it was allowed whatever it asked for.
    pub async fn end(self) {
        self.operator.kills();
        self.operator.stop().await;
        identity::nothing_was_lacking(self.bench.identity.rights(), &self.proxy.entries());
    }

    fn leave_traces(&self) {
        let begin = self.proxy.entries().first().map_or_else(Instant::now, |entry| entry.at);
        let lines: Vec<String> = self
            .proxy
            .entries()
            .iter()
            .map(|entry| {
                let fault = entry.fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
                format!("{:8.3} {} {:?}{fault}", entry.at.duration_since(begin).as_secs_f64(), entry.line, entry.code)
            })
            .collect();
        let _ = fs::write(artifacts::file(&format!("{}.requests.log", self.namespace.name())), lines.join("\n"));
    }
}

/// What the operator is told: it is alone, and what other tests left is none of its business.
fn arguments(namespace: &Namespace) -> Vec<String> {
    vec!["--leader-elect=false".to_owned(), format!("--namespaces={}", namespace.name())]
}
