//! What the watches have told of children, and what our own calls have proven of them, so that a reconcile need not ask
//! the apiserver for what it knows.
//!
//! An entry is small, as there are many: the version that the child was last seen at, and, where a call of ours showed
//! that the child held all that was wanted, the *proof*: at which version, and the hash of what was wanted. A proof is
//! good for that very version and that very wish only. So a memory that is behind can cost a call, but never passes over
//! an edit: the event that is still to come brings another version, and wakes the owner. What to do is decided in
//! [`plan_child`], which is pure; nothing here calls the apiserver.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

mod digest;
mod plan;

pub use digest::{digest, recall};
pub use plan::{ChildPlan, Known, Proof, Version, WantedHash, plan_child};

/// How long a child that nobody watches counts as there after it was seen.
const SEEN_FOR: Duration = Duration::from_mins(1);
/// Most names under which something stands that the watch does not carry; beyond, all are forgotten and found anew.
const MOST_STRANGERS: usize = 1024;

/// The children of one controller's objects.
#[derive(Debug, Default)]
pub struct Children {
    kinds: RwLock<HashMap<TypeId, Arc<Mutex<Kind>>>>,
    unwatched: Mutex<HashMap<(TypeId, Box<str>), Sighting>>,
}

/// The children of one kind, by `namespace/name`.
#[derive(Debug, Default)]
struct Kind {
    entries: HashMap<Box<str>, Entry>,
    /// Names under which an object stands that the watch does not carry: somebody else's, or ours without its label.
    strangers: HashSet<Box<str>>,
    feeds: Vec<FeedState>,
}

#[derive(Debug)]
struct Entry {
    /// `None`: it is there, at a version that cannot be compared.
    seen: Option<Version>,
    proof: Option<Box<Proven>>,
    /// The owner's name, where it is not the child's.
    owner: Option<Box<str>>,
    /// The feed that carries it, none before its first event.
    feed: Option<u16>,
    /// The list that it was last in, or that was the last when it changed.
    list: u32,
}

/// A proof, and what the status step wants to know of the child at that version.
#[derive(Debug)]
struct Proven {
    proof: Proof,
    digest: Option<Box<str>>,
}

/// The progress of one watch.
#[derive(Debug, Default)]
struct FeedState {
    /// Counts the lists.
    list: u32,
    /// A first list is complete.
    synced: bool,
    /// The highest version that it has told of since the last list began.
    told: Option<Version>,
}

/// A child of a kind that nobody watches, as a call of ours found it.
#[derive(Debug)]
struct Sighting {
    owner_uid: Box<str>,
    at: Instant,
}

/// A child that vanished while its watch was away, and its owner's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// Namespace of both.
    pub namespace: String,
    /// The child's name.
    pub name: String,
    /// The owner's name.
    pub owner: String,
}

impl Children {
    /// Begins a watch on children of the kind `K`; several watches, each on a namespace, may feed one kind.
    pub fn feed<K: 'static>(&self) -> Feed {
        let kind = Arc::clone(
            self.kinds.write().unwrap_or_else(PoisonError::into_inner).entry(TypeId::of::<K>()).or_default(),
        );
        let number = {
            let mut kind = kind.lock().unwrap_or_else(PoisonError::into_inner);
            kind.feeds.push(FeedState::default());
            u16::try_from(kind.feeds.len() - 1).unwrap_or(u16::MAX)
        };
        Feed { kind, number }
    }

    fn with<K: 'static, T>(&self, read: impl FnOnce(&mut Kind) -> T) -> Option<T> {
        let kind = self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<K>()).cloned()?;
        let mut kind = kind.lock().unwrap_or_else(PoisonError::into_inner);
        Some(read(&mut kind))
    }

    /// What to do to make the child hold what `wanted` is the hash of; with [`ChildPlan::Skip`], what was noted of it.
    pub fn plan<K: 'static>(&self, namespace: &str, name: &str, wanted: WantedHash) -> (ChildPlan, Option<Box<str>>) {
        let key = key(namespace, name);
        let planned = self.with::<K, _>(|kind| {
            let entry = kind.entries.get(&key);
            let proven = entry.and_then(|entry| entry.proof.as_deref());
            let plan = plan_child(kind.known(&key), proven.map(|proven| proven.proof), wanted);
            let noted = if plan == ChildPlan::Skip { proven.and_then(|proven| proven.digest.clone()) } else { None };
            (plan, noted)
        });
        planned.unwrap_or((ChildPlan::Look, None))
    }

    /// Whether there is no such child, for all that the watch has told.
    pub fn is_absent<K: 'static>(&self, namespace: &str, name: &str) -> bool {
        let key = key(namespace, name);
        self.with::<K, _>(|kind| kind.known(&key) == Known::Absent).unwrap_or(false)
    }

    /// Whether there is such a child, for all that the watch has told.
    pub fn is_present<K: 'static>(&self, namespace: &str, name: &str) -> bool {
        let key = key(namespace, name);
        self.with::<K, _>(|kind| matches!(kind.known(&key), Known::Present(_))).unwrap_or(false)
    }

    /// A call of ours showed the child `meta` to hold what `wanted` is the hash of; `digest` is what to remember of it.
    pub fn prove<K: 'static>(&self, meta: &ObjectMeta, wanted: WantedHash, digest: Option<Box<str>>) {
        let Some((key, version)) = key_of(meta).zip(Version::of(meta)) else { return };
        self.with::<K, _>(|kind| {
            kind.strangers.remove(&key);
            // The watch is past that version and carries no such child: it was deleted while the answer was on its way, and
            // no event will tell of it again. Where another's watch is ahead, this costs a call.
            if !kind.entries.contains_key(&key) && kind.feeds.iter().any(|feed| feed.told >= Some(version)) {
                return;
            }
            let entry = kind.entries.entry(key).or_insert_with(|| Entry::new(meta));
            if entry.seen.is_none_or(|seen| seen < version) {
                entry.seen = Some(version);
            }
            entry.proof = Some(Box::new(Proven { proof: Proof { version, wanted }, digest }));
        });
    }

    /// A call of ours found something under this name that is not as wanted.
    pub fn found<K: 'static>(&self, namespace: &str, name: &str) {
        let key = key(namespace, name);
        self.with::<K, _>(|kind| {
            if kind.entries.contains_key(&key) {
                return;
            }
            if kind.strangers.len() >= MOST_STRANGERS {
                kind.strangers.clear();
            }
            kind.strangers.insert(key);
        });
    }

    /// A call of ours found nothing under this name.
    pub fn found_nothing<K: 'static>(&self, namespace: &str, name: &str) {
        let key = key(namespace, name);
        self.with::<K, _>(|kind| kind.strangers.remove(&key));
    }

    /// Whether a child of a kind that nobody watches was seen a short while before `now`, as that owner's.
    pub fn was_seen<K: 'static>(&self, namespace: &str, name: &str, owner_uid: &str, now: Instant) -> bool {
        let sightings = self.unwatched.lock().unwrap_or_else(PoisonError::into_inner);
        sightings
            .get(&(TypeId::of::<K>(), key(namespace, name)))
            .is_some_and(|sighting| &*sighting.owner_uid == owner_uid && is_fresh(sighting.at, now))
    }

    /// A call of ours saw, or made, a child of a kind that nobody watches.
    pub fn saw<K: 'static>(&self, namespace: &str, name: &str, owner_uid: &str, now: Instant) {
        let mut sightings = self.unwatched.lock().unwrap_or_else(PoisonError::into_inner);
        // The map is as large as what was seen within that time: it is swept when it would have to grow.
        if sightings.len() == sightings.capacity() {
            sightings.retain(|_, sighting| is_fresh(sighting.at, now));
        }
        sightings.insert((TypeId::of::<K>(), key(namespace, name)), Sighting { owner_uid: owner_uid.into(), at: now });
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < SEEN_FOR
}

impl Kind {
    fn known(&self, key: &str) -> Known {
        if self.feeds.is_empty() || self.feeds.iter().any(|feed| !feed.synced) {
            return Known::Unwatched;
        }
        match self.entries.get(key) {
            Some(entry) => Known::Present(entry.seen),
            None if self.strangers.contains(key) => Known::Present(None),
            None => Known::Absent,
        }
    }

    fn tells(&mut self, feed: u16, version: Option<Version>) {
        if let Some(state) = self.feeds.get_mut(usize::from(feed)) {
            state.told = state.told.max(version);
        }
    }

    fn list_of(&self, feed: u16) -> u32 {
        self.feeds.get(usize::from(feed)).map_or(0, |state| state.list)
    }
}

impl Entry {
    fn new(meta: &ObjectMeta) -> Self {
        Self { seen: None, proof: None, owner: owner_of(meta), feed: None, list: 0 }
    }
}

/// What one watch tells, put into the memory.
#[derive(Clone, Debug)]
pub struct Feed {
    kind: Arc<Mutex<Kind>>,
    number: u16,
}

impl Feed {
    fn lock(&self) -> std::sync::MutexGuard<'_, Kind> {
        self.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch begins, perhaps anew after it was away: until it has its list, nothing is known.
    pub fn begins(&self) {
        if let Some(state) = self.lock().feeds.get_mut(usize::from(self.number)) {
            state.synced = false;
        }
    }

    /// A list begins.
    pub fn list_begins(&self) {
        if let Some(state) = self.lock().feeds.get_mut(usize::from(self.number)) {
            state.list = state.list.wrapping_add(1);
            state.told = None;
        }
    }

    /// The child is in the list: whatever was told before, this holds.
    pub fn listed(&self, meta: &ObjectMeta) {
        self.take(meta, true);
    }

    /// The list is complete: gives the children of which an earlier list or event told, and that it does not hold.
    pub fn list_ends(&self) -> Vec<Vanished> {
        let mut kind = self.lock();
        let list = kind.list_of(self.number);
        let mut vanished = Vec::new();
        kind.entries.retain(|key, entry| {
            let stays = match entry.feed {
                Some(feed) => feed != self.number || entry.list == list,
                // A call of ours made it, and no event has told of it. If it is still there the next one will: until
                // then it is made again, which the apiserver refuses.
                None => false,
            };
            if !stays && let Some((namespace, name)) = key.split_once('/') {
                vanished.push(Vanished {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    owner: entry.owner.as_deref().unwrap_or(name).to_owned(),
                });
            }
            stays
        });
        if let Some(state) = kind.feeds.get_mut(usize::from(self.number)) {
            state.synced = true;
        }
        vanished
    }

    /// The child was made or changed.
    pub fn changed(&self, meta: &ObjectMeta) {
        self.take(meta, false);
    }

    /// The child was deleted, or lost its label.
    pub fn deleted(&self, meta: &ObjectMeta) {
        let Some(key) = key_of(meta) else { return };
        let mut kind = self.lock();
        kind.tells(self.number, Version::of(meta));
        // The end of an earlier object, told after a call of ours made the next one.
        let seen = kind.entries.get(&key).and_then(|entry| entry.seen);
        let outlived = seen.zip(Version::of(meta)).is_some_and(|(seen, end)| seen > end);
        if !outlived {
            kind.entries.remove(&key);
        }
    }

    fn take(&self, meta: &ObjectMeta, is_listed: bool) {
        let Some(key) = key_of(meta) else { return };
        let version = Version::of(meta);
        let mut kind = self.lock();
        kind.tells(self.number, version);
        let list = kind.list_of(self.number);
        kind.strangers.remove(&key);
        let entry = kind.entries.entry(key).or_insert_with(|| Entry::new(meta));
        entry.feed = Some(self.number);
        entry.list = list;
        // An event from before our own last call brings nothing new.
        if is_listed || version.is_none() || entry.seen < version {
            entry.seen = version;
            entry.owner = owner_of(meta);
            if entry.proof.as_ref().is_some_and(|proven| Some(proven.proof.version) != version) {
                entry.proof = None;
            }
        }
    }
}

fn key(namespace: &str, name: &str) -> Box<str> {
    format!("{namespace}/{name}").into_boxed_str()
}

fn key_of(meta: &ObjectMeta) -> Option<Box<str>> {
    Some(key(meta.namespace.as_deref()?, meta.name.as_deref()?))
}

fn owner_of(meta: &ObjectMeta) -> Option<Box<str>> {
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    (Some(&owner.name) != meta.name.as_ref()).then(|| owner.name.clone().into_boxed_str())
}

#[cfg(test)]
mod tests;
