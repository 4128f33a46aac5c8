//! Of two operators one writes: the other takes over soon when the first is killed, and when the first stands still and
//! goes on, it writes nothing more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::identity::{self, Identity};
use crate::harness::object::{condition, is_observed};
use crate::harness::operator::{self, Absent};
use crate::harness::process::Process;
use crate::harness::proxy::{Entry, Proxy};
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter};
use e2e::proxy::{Fault, Rule};

/// How soon after a leader's death another writes.
const HAND_OVER: Duration = Duration::from_secs(15);

/// An operator and what it asks for.
struct Candidate {
    process: Process,
    proxy: Arc<Proxy>,
}

/// Two operators for one namespace, the first of which leads, and a converter that it has made.
struct Pair {
    namespace: Namespace,
    leader: Candidate,
    standby: Candidate,
    level: u8,
    identity: Identity,
    _absent: Absent,
}

impl Candidate {
    async fn start(name: &str, identity: &Identity, namespace: &Namespace) -> Self {
        let proxy = Arc::new(Proxy::open(identity.client().await).await);
        // The Lease is of this test, the times are the shipped ones.
        let arguments = [
            format!("--namespaces={}", namespace.name()),
            format!("--lease-name={}", namespace.name()),
            format!("--lease-namespace={}", operator::NAMESPACE),
        ];
        Self { process: Process::start(name, &proxy, &arguments), proxy }
    }

    /// How often it has asked for the Lease.
    fn looks(&self) -> usize {
        let lease = |entry: &&Entry| {
            entry.code.is_some() && entry.request.as_ref().is_some_and(|request| request.kind.resource == "leases")
        };
        self.proxy.entries().iter().filter(lease).count()
    }

    /// Waits until it has looked at the Lease some times more.
    async fn keeps_looking(&self, what: &str) {
        let before = self.looks();
        wait::until_async(what, STEP, async || {
            let looks = self.looks() - before;
            if looks >= 3 { Ok(()) } else { Err(format!("{looks} looks at the Lease")) }
        })
        .await;
    }

    /// Waits for the first change that it asks for after so many, and says when it came.
    async fn writes_again(&self, before: usize) -> Instant {
        wait::until_async("it writes", STEP, async || {
            self.proxy
                .entries()
                .iter()
                .filter(|entry| entry.writes())
                .nth(before)
                .map(|entry| entry.at)
                .ok_or("not yet")
        })
        .await
    }
}

impl Pair {
    async fn start(subject: &str) -> Self {
        let absent = Absent::begin();
        let identity = Identity::as_shipped();
        let namespace = Namespace::restricted(subject);
        let leader = Candidate::start("leader", &identity, &namespace).await;
        leader.keeps_looking("the first takes the Lease").await;
        let standby = Candidate::start("standby", &identity, &namespace).await;
        standby.keeps_looking("the second stands by").await;
        let mut pair = Self { namespace, leader, standby, level: 0, identity, _absent: absent };
        pair.change();
        pair.is_followed();
        assert!(pair.leader.proxy.writes() > 0, "the first leads");
        assert_eq!(pair.standby.proxy.writes(), 0, "the second only watches");
        pair
    }

    /// Gives whoever leads something to write.
    fn change(&mut self) {
        self.level += 1;
        let spec = json!({ "replicas": 0, "encoding": { "compressionLevel": self.level } });
        self.namespace.apply(&converter::manifest("duet", &spec));
    }

    /// Waits until the last change has been followed.
    fn is_followed(&self) {
        let level = self.level.to_string();
        self.namespace.until("has the level", "deployment/duet", STEP, |now| {
            let env = now["spec"]["template"]["spec"]["containers"][0]["env"].as_array()?.clone();
            env.iter().find(|entry| entry["name"] == "FLACSHIP_LEVEL" && entry["value"] == level).map(|_| ())
        });
        self.namespace.until("is settled", "acv/duet", STEP, |now: &Value| {
            (is_observed(now) && condition(now, "Progressing")?.status == "False").then_some(())
        });
    }

    async fn a_leader_that_stood_still_beyond_its_lease_writes_nothing_more(&mut self) {
        // In the middle of a reconcile: what it does next, when it goes on, would be another write.
        self.leader.proxy.obey(vec![Rule::nth_write(1, Fault::Halt)]);
        self.change();
        self.standby.writes_again(0).await;
        self.is_followed();
        assert_eq!(self.leader.proxy.hits(), 1, "the leader was halted by a write of its own");
        let wrote = self.leader.proxy.writes();

        // Two things to write at once: the rest of what was under way, and a change that it sees as it wakes.
        self.change();
        self.leader.process.signal(Signal::SIGCONT);
        self.leader.keeps_looking("the old leader is awake").await;
        self.change();
        self.is_followed();
        self.leader.keeps_looking("the old leader stands by").await;
        assert!(self.leader.process.runs(), "it stands by, and does not end");
        let entries = self.leader.proxy.entries();
        let later: Vec<&str> =
            entries.iter().filter(|entry| entry.writes()).skip(wrote).map(|entry| entry.line.as_str()).collect();
        assert!(later.is_empty(), "the old leader wrote: {later:#?}");
    }

    fn check(&self) {
        for candidate in [&self.leader, &self.standby] {
            identity::nothing_was_lacking(self.identity.rights(), &candidate.proxy.entries());
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let lease = format!("-n {} delete lease {} --ignore-not-found", operator::NAMESPACE, self.namespace.name());
        crate::harness::kubectl::run(&lease, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_operators_writes_and_the_other_takes_over_within_fifteen_seconds() {
    let mut pair = Pair::start("leader").await;
    pair.a_leader_that_stood_still_beyond_its_lease_writes_nothing_more().await;

    // The one that stood still stands by now, and the other leads.
    let (killed, next) = (&mut pair.standby, &pair.leader);
    let wrote = next.proxy.writes();
    let begin = Instant::now();
    killed.process.signal(Signal::SIGKILL);
    killed.process.ended().await;
    pair.change();
    let took = pair.leader.writes_again(wrote).await.duration_since(begin);
    println!("the other wrote {:.1} s after the leader was killed", took.as_secs_f64());
    assert!(took < HAND_OVER, "{took:?}");
    pair.is_followed();
    pair.check();
}
