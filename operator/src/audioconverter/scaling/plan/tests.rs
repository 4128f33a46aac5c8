//! The table of cases, and random histories that no rule may break in.

use super::super::history::MINUTE;
use super::super::pods::tests::{load, ready, starting};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const WINDOW: Duration = Duration::from_mins(5);
const GAP: Duration = Duration::from_mins(1);

fn wish(target: Target) -> Wish {
    Wish {
        min: 1,
        max: 6,
        target,
        slots: 4,
        up: Pace { window: Duration::ZERO, per_minute: None },
        down: Pace { window: WINDOW, per_minute: None },
        up_paused: false,
        down_paused: false,
    }
}

fn free(slots: u32) -> Wish {
    wish(Target::FreeSlots(slots))
}

fn each(streams: u32) -> Wish {
    wish(Target::PerReplica(streams))
}

/// Ready pods of four slots with so many streams each.
fn pods(streams: &[u32]) -> Vec<PodView> {
    streams.iter().enumerate().map(|(n, active)| ready(&format!("p{n}"), *active, 4)).collect()
}

fn seen(count: i32, pods: &[PodView]) -> Observed<'_> {
    Observed { count, pods, rolling: false }
}

/// Decides after a time in which `needed` pods were needed all along while `observed.count` were wanted.
fn decide(observed: Observed<'_>, wish: &Wish, needed: i32) -> Decision {
    let start = Instant::now();
    let mut history = History::new(GAP);
    for second in (0..=310).step_by(5) {
        history.look(start + Duration::from_secs(second), observed.count, needed, wish.longest_window());
    }
    let now = start + Duration::from_secs(312);
    history.look(now, observed.count, plan_need(&observed, wish), wish.longest_window());
    plan_scale(&observed, wish, &history, now)
}

/// Decides after a quiet time: what is needed now was needed all along.
fn quiet(observed: Observed<'_>, wish: &Wish) -> Decision {
    decide(observed, wish, plan_need(&observed, wish))
}

#[test]
fn how_many_pods_streams_need() {
    let stopping = |pod: PodView| PodView { stopping: true, ..pod };
    let lost = |pod: PodView| PodView { stage: Stage::Unready, fresh: false, ..pod };
    let reserved = |mut pod: PodView| {
        pod.load.as_mut().unwrap().reserved = true;
        pod
    };
    let silent = |pod: PodView| PodView { fresh: false, ..pod };
    let wide = |pod: PodView| PodView { load: Some(load(0, 12)), ..pod };
    let [a, b, c] = [ready("a", 4, 4), ready("b", 2, 4), ready("c", 0, 4)];
    let all = || vec![a.clone(), b.clone(), c.clone()];
    for (what, count, pods, wish, need) in [
        ("nothing runs", 3, pods(&[0, 0, 0]), free(3), 1),
        ("nothing runs, and more is to be free than one pod has", 3, pods(&[0, 0, 0]), free(5), 2),
        ("just enough", 3, all(), free(6), 3),
        ("one too few", 3, all(), free(7), 4),
        ("far too few", 3, all(), free(12), 5),
        ("never above the most", 3, all(), free(1000), 6),
        ("never below the least", 3, pods(&[0]), Wish { min: 2, ..free(1) }, 2),
        ("pods to come count", 4, all(), free(7), 4),
        ("starting pods count", 4, [all(), vec![starting("d")]].concat(), free(7), 4),
        ("starting and to come are not needed", 6, [all(), vec![starting("d")]].concat(), free(1), 2),
        ("streams of a stopping pod may come over", 2, vec![stopping(a.clone()), b.clone(), c.clone()], free(3), 3),
        ("a reserved pod is no room", 3, vec![a.clone(), b.clone(), reserved(c.clone())], free(3), 4),
        ("a pod that is lost is no room", 3, vec![a.clone(), b.clone(), lost(c.clone())], free(3), 4),
        ("what a silent pod last said still counts", 3, vec![silent(a.clone()), b.clone(), c.clone()], free(7), 4),
        ("pods with other limits count with their own", 3, vec![a.clone(), b.clone(), wide(c.clone())], free(14), 3),
        ("a pod that is leaving already is no room", 2, vec![a.clone(), b.clone(), reserved(c.clone())], free(3), 3),
        ("four streams at two a pod", 3, all(), each(2), 3),
        ("six at five", 3, all(), each(5), 2),
        ("none", 3, pods(&[0, 0, 0]), each(5), 1),
        ("a target of nothing is one of one", 3, pods(&[2]), each(0), 2),
    ] {
        assert_eq!(plan_need(&seen(count, &pods), &wish), need, "{what}");
    }
}

#[test]
fn the_count_rises_at_once_and_says_why() {
    let busy = pods(&[4, 3]);
    let decision = quiet(seen(2, &busy), &free(2));
    assert_eq!((decision.count, decision.verdict), (3, Verdict::Out(Cause::Streams)));
    assert_eq!(decision.words, "scaled from 2 to 3: 7 live streams and 2 free slots need 3 pods");
    let decision = decide(seen(2, &busy), &free(2), 1);
    assert_eq!(decision.count, 3, "whatever was before");

    let decision = quiet(seen(2, &busy), &each(1));
    assert_eq!(decision.count, 6);
    assert_eq!(
        decision.words,
        "scaled from 2 to 6: 7 live streams at 1 a pod need more pods, and autoscaling.maxReplicas is 6"
    );
    let decision = quiet(seen(1, &pods(&[0])), &Wish { min: 3, ..free(1) });
    assert_eq!((decision.count, decision.verdict), (3, Verdict::Out(Cause::Bounds)));
    assert_eq!(decision.words, "scaled from 1 to 3: autoscaling.minReplicas is 3");
    // Missing data and a rollout do not keep more pods from coming.
    let unknown = [PodView { fresh: false, ..ready("x", 4, 4) }, ready("y", 3, 4)];
    let decision = quiet(Observed { rolling: true, ..seen(2, &unknown) }, &free(2));
    assert_eq!(decision.count, 3);
}

#[test]
fn one_demand_is_answered_once() {
    let wish = free(2);
    let mut there = pods(&[4, 3]);
    assert_eq!(quiet(seen(2, &there), &wish).count, 3);
    assert_eq!(quiet(seen(3, &there), &wish).verdict, Verdict::Steady, "it is to come");
    there.push(starting("new"));
    assert_eq!(quiet(seen(3, &there), &wish).verdict, Verdict::Steady, "it is starting");
    there[2] = ready("new", 0, 4);
    assert_eq!(quiet(seen(3, &there), &wish).verdict, Verdict::Steady, "it is there");
}

#[test]
fn the_count_falls_after_the_window_only() {
    let idle = pods(&[0, 1, 0]);
    let decision = decide(seen(3, &idle), &free(2), 2);
    assert_eq!((decision.count, decision.verdict), (2, Verdict::In(Cause::Streams)), "the most of the window");
    let decision = quiet(seen(3, &idle), &free(2));
    assert_eq!(decision.count, 1);
    assert_eq!(decision.words, "scaled from 3 to 1: for 300 s, 1 pod was enough for 1 live stream and 2 free slots");
    assert_eq!(decide(seen(3, &idle), &free(2), 3).verdict, Verdict::Held(Hold::Window));
    let at_once = Wish { down: Pace { window: Duration::ZERO, per_minute: None }, ..free(2) };
    assert_eq!(decide(seen(3, &idle), &at_once, 3).count, 1);
}

#[test]
fn what_speaks_against_fewer_pods() {
    let idle = pods(&[0, 0, 0]);
    let silent = [PodView { fresh: false, ..ready("reel", 0, 4) }, ready("b", 0, 4), ready("c", 0, 4)];
    let unready = [PodView { stage: Stage::Unready, ..ready("a", 1, 4) }, ready("b", 0, 4), ready("c", 0, 4)];
    let lost = [
        PodView { stage: Stage::Unready, started: false, fresh: false, ..ready("a", 1, 4) },
        ready("b", 0, 4),
        ready("c", 0, 4),
    ];
    let broken = [starting("a"), ready("b", 0, 4), ready("c", 0, 4)];
    let slow = Wish { down: Pace { window: WINDOW, per_minute: Some(1) }, ..free(2) };
    let none = Wish { down: Pace { window: WINDOW, per_minute: Some(0) }, ..free(2) };
    let paused = Wish { down_paused: true, ..free(2) };
    for (what, observed, wish, count, hold) in [
        ("a rollout", Observed { rolling: true, ..seen(3, &idle) }, free(2), 3, Some(Hold::Rollout)),
        ("silence", seen(3, &silent), free(2), 3, Some(Hold::LoadUnknown)),
        ("a pod that was lost with its streams", seen(3, &lost), free(2), 3, Some(Hold::LoadUnknown)),
        ("the annotation", seen(3, &idle), paused, 3, Some(Hold::InPaused)),
        ("the last scale-in", seen(2, &idle), free(2), 2, Some(Hold::Settling)),
        ("streams everywhere", seen(3, &pods(&[1, 1, 1])), free(1), 3, Some(Hold::Busy)),
        ("an unready pod with a stream: it would go first", seen(3, &unready), free(2), 3, Some(Hold::Busy)),
        ("pace", seen(3, &idle), none, 3, Some(Hold::Pace)),
        ("one a minute", seen(3, &idle), slow, 2, None),
        ("one idle pod", seen(3, &pods(&[1, 0, 1])), free(2), 2, None),
        ("a pod that never started is no silence", seen(3, &broken), free(2), 1, None),
        ("pods that are not there yet", seen(5, &pods(&[1, 1])), free(2), 2, None),
        ("switched off", seen(0, &[]), free(2), 0, Some(Hold::Off)),
    ] {
        let decision = quiet(observed, &wish);
        assert_eq!(decision.count, count, "{what}: {decision:?}");
        match hold {
            Some(hold) => assert_eq!(decision.verdict, Verdict::Held(hold), "{what}"),
            None => assert_eq!(decision.verdict, Verdict::In(Cause::Streams), "{what}"),
        }
    }
}

#[test]
fn a_lower_bound_of_a_person_holds_though_all_are_busy() {
    let busy = pods(&[1, 1, 1, 1]);
    let decision = quiet(seen(4, &busy), &Wish { max: 2, ..free(1) });
    assert_eq!((decision.count, decision.verdict), (2, Verdict::In(Cause::Bounds)));
    assert_eq!(decision.words, "scaled from 4 to 2: autoscaling.maxReplicas is 2");
    let decision = quiet(Observed { rolling: true, ..seen(4, &busy) }, &Wish { max: 2, ..free(1) });
    assert_eq!(decision.verdict, Verdict::Held(Hold::Rollout));
}

#[test]
fn what_speaks_against_more_pods() {
    let busy = pods(&[4, 4]);
    let paused = Wish { up_paused: true, ..free(9) };
    assert_eq!(quiet(seen(2, &busy), &paused).verdict, Verdict::Held(Hold::OutPaused));
    let slow = Wish { up: Pace { window: Duration::ZERO, per_minute: Some(2) }, ..free(12) };
    let decision = quiet(seen(2, &busy), &slow);
    assert_eq!(decision.count, 4);
    assert!(
        decision.words.ends_with("need 5 pods, and scaleUp.maxPodsPerMinute lets so many come now"),
        "{decision:?}"
    );
    let patient = Wish { up: Pace { window: Duration::from_secs(30), per_minute: None }, ..free(2) };
    assert_eq!(decide(seen(2, &busy), &patient, 2).verdict, Verdict::Held(Hold::Window));
    assert_eq!(quiet(seen(2, &busy), &patient).count, 3);
    assert_eq!(quiet(seen(2, &pods(&[4, 0])), &free(2)).verdict, Verdict::Steady);
}

/// What happens between two looks.
#[derive(Clone, Debug)]
struct Turn {
    /// Seconds since the last look.
    pause: u64,
    /// Streams that come to (or leave) each pod.
    moves: Vec<i32>,
    silent: bool,
    rolling: bool,
}

prop_compose! {
    fn turn()(
        pause in prop_oneof![20 => 1_u64..12, 1 => 50_u64..100],
        moves in vec(-2_i32..3, 8),
        silent in prop::bool::weighted(0.1),
        rolling in prop::bool::weighted(0.1),
    ) -> Turn {
        Turn { pause, moves, silent, rolling }
    }
}

fn any_wish() -> impl Strategy<Value = Wish> {
    (1_i32..3, 0_i32..6, any::<bool>(), 1_u32..7, prop::option::of(1_i32..4), 0_u64..2, 20_u64..90).prop_map(
        |(min, more, by_slots, amount, pace, up, down)| Wish {
            min,
            max: min + more,
            up: Pace { window: Duration::from_secs(up * 20), per_minute: pace },
            down: Pace { window: Duration::from_secs(down), per_minute: pace },
            ..wish(if by_slots { Target::FreeSlots(amount) } else { Target::PerReplica(amount.min(4)) })
        },
    )
}

/// A cluster that does what is decided: pods come ready at the next look, and those that go are gone.
struct World {
    pods: Vec<PodView>,
    born: usize,
    count: i32,
}

impl World {
    fn new(count: i32) -> Self {
        let mut world = Self { pods: Vec::new(), born: 0, count };
        world.follow();
        world
    }

    fn turn(&mut self, turn: &Turn) {
        for (pod, change) in self.pods.iter_mut().zip(&turn.moves) {
            let active = i32::try_from(pod.streams().unwrap_or_default()).unwrap();
            pod.load = Some(load(u32::try_from((active + change).clamp(0, 4)).unwrap(), 4));
            pod.fresh = true;
            pod.stage = Stage::Ready;
            pod.started = true;
        }
        if turn.silent
            && let Some(pod) = self.pods.first_mut()
        {
            pod.fresh = false;
        }
    }

    fn follow(&mut self) -> Vec<PodView> {
        let wanted = usize::try_from(self.count).unwrap();
        while self.pods.len() < wanted {
            self.born += 1;
            self.pods.push(starting(&format!("p{}", self.born)));
        }
        let going: Vec<PodView> = plan_victims(&self.pods, self.pods.len() - wanted).into_iter().cloned().collect();
        self.pods.retain(|pod| going.iter().all(|gone| gone.name != pod.name));
        going
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_a_rule(wish in any_wish(), start in 1_i32..9, turns in vec(turn(), 1..120)) {
        let mut now = Instant::now();
        let (mut world, mut history) = (World::new(start), History::new(GAP));
        // When a look last found that more pods were needed than the count that a scale-in leaves.
        let mut needs: Vec<(Instant, i32)> = Vec::new();
        let mut steps: Vec<(Instant, i32, Cause)> = Vec::new();
        for turn in &turns {
            now += Duration::from_secs(turn.pause);
            world.turn(turn);
            let observed = Observed { count: world.count, pods: &world.pods, rolling: turn.rolling };
            let need = plan_need(&observed, &wish);
            prop_assert!((wish.min..=wish.max).contains(&need));
            history.look(now, world.count, need, wish.longest_window());
            let decision = plan_scale(&observed, &wish, &history, now);
            needs.push((now, need));
            let (before, unknown) = (world.count, world.pods.iter().any(PodView::is_silent));
            world.count = decision.count;
            let gone = world.follow();
            match decision.verdict {
                Verdict::Steady | Verdict::Held(_) => prop_assert_eq!(decision.count, before),
                Verdict::Out(cause) => {
                    prop_assert!(decision.count > before && decision.count <= wish.max);
                    prop_assert!(decision.count <= need.max(wish.min), "more than needed");
                    history.changed(now, before, decision.count);
                    steps.push((now, decision.count - before, cause));
                }
                Verdict::In(cause) => {
                    prop_assert!(decision.count < before && decision.count >= wish.min);
                    prop_assert!(!turn.rolling && !unknown);
                    // Nothing within the window needed more: so noise around a boundary ends no pod.
                    let recent = needs.iter().filter(|(at, _)| now.duration_since(*at) <= wish.down.window);
                    let most = recent.map(|(_, need)| *need).max().unwrap_or(need);
                    prop_assert!(decision.count >= most.min(wish.max));
                    if cause == Cause::Streams {
                        prop_assert!(gone.iter().all(PodView::is_streamless), "{:?}", gone);
                    }
                    history.changed(now, before, decision.count);
                    steps.push((now, decision.count - before, cause));
                }
            }
            prop_assert!(within_pace(&steps, now, &wish), "{:?}", steps);
        }
        // A turn from more to fewer takes a whole window.
        for pair in steps.windows(2) {
            if let [(first, out, _), (second, back, Cause::Streams)] = pair && *out > 0 && *back < 0 {
                prop_assert!(second.duration_since(*first) > wish.down.window);
            }
        }
    }
}

/// Whether the last minute saw no more steps in a direction than are asked for; those for the bounds' sake aside.
fn within_pace(steps: &[(Instant, i32, Cause)], now: Instant, wish: &Wish) -> bool {
    let counts = |step: &&(Instant, i32, Cause)| now.duration_since(step.0) < MINUTE && step.2 == Cause::Streams;
    let sum = |sign: i32| steps.iter().filter(counts).map(|step| (step.1 * sign).max(0)).sum::<i32>();
    wish.up.per_minute.is_none_or(|most| sum(1) <= most && sum(-1) <= most)
}

#[test]
fn noise_around_a_boundary_changes_the_count_once() {
    let wish = free(2);
    let (mut now, mut history, mut count) = (Instant::now(), History::new(GAP), 2);
    let mut directions = Vec::new();
    // Two hours of 6 or 7 streams, that is, two or three pods, never the same for a whole window.
    for step in 0..1440_u32 {
        now += Duration::from_secs(5);
        let one_more = step % 7 == 0 || step % 11 < 3;
        let there = match count {
            2 => pods(&[4, 2 + u32::from(one_more)]),
            _ => pods(&[4, 2 + u32::from(one_more), 0]),
        };
        let observed = seen(count, &there);
        history.look(now, count, plan_need(&observed, &wish), wish.longest_window());
        let decision = plan_scale(&observed, &wish, &history, now);
        if decision.count != count {
            directions.push(decision.count - count);
            history.changed(now, count, decision.count);
            count = decision.count;
        }
    }
    assert_eq!(directions, [1]);
}
