//! One watch out of several, each on a namespace.
//!
//! A reflector's store takes a list (`Init … InitDone`) as *all there is*. Each of several watches lists its own namespace,
//! at its own time, so their first lists are held until all are there, and told as one; later ones are told as single
//! changes. A namespace that may not be listed, as one is that was deleted with its Role, counts as empty: it does not hold
//! up the others.

use std::collections::{HashMap, HashSet};

use futures::stream::{self, BoxStream, StreamExt};
use kube::ResourceExt;
use kube::runtime::watcher::{self, Event};

use super::watches::answer;
use crate::errors::kube_code;

/// HTTP status of a list in a namespace where the operator has no rights.
const FORBIDDEN: u16 = 403;

/// The events of `watches` as those of one watch. `find` gives the object that the store has of a watch (by its number)
/// under a name.
pub fn merge<K>(
    mut watches: Vec<BoxStream<'static, watcher::Result<Event<K>>>>,
    find: impl Fn(usize, &str) -> Option<K> + Send + 'static,
) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: ResourceExt + Send + 'static,
{
    if watches.len() == 1 {
        return watches.remove(0);
    }
    let mut merged = Merged::new(watches.len());
    let numbered =
        watches.into_iter().enumerate().map(|(number, watch)| watch.map(move |event| (number, event)).boxed());
    stream::select_all(numbered)
        .map(move |(number, event)| {
            let (failed, events) = match event {
                Ok(event) => (None, merged.take(number, event, &find)),
                Err(error) if answer(&error).and_then(kube_code) == Some(FORBIDDEN) => {
                    (Some(Err(error)), merged.refused(number))
                }
                Err(error) => (Some(Err(error)), Vec::new()),
            };
            stream::iter(failed.into_iter().chain(events.into_iter().map(Ok)))
        })
        .flatten()
        .boxed()
}

/// What the watches have told.
struct Merged<K> {
    watches: Vec<Told<K>>,
    /// The first lists have been told.
    done: bool,
}

struct Told<K> {
    /// What the first list holds, until it is told.
    first: HashMap<String, K>,
    listed: bool,
    /// What there is, by name, and what the list under way holds.
    names: HashSet<String>,
    listing: HashSet<String>,
}

impl<K: ResourceExt> Merged<K> {
    fn new(watches: usize) -> Self {
        let told = || Told { first: HashMap::new(), listed: false, names: HashSet::new(), listing: HashSet::new() };
        Self { watches: std::iter::repeat_with(told).take(watches).collect(), done: false }
    }

    fn take(&mut self, number: usize, event: Event<K>, find: &impl Fn(usize, &str) -> Option<K>) -> Vec<Event<K>> {
        let Some(told) = self.watches.get_mut(number) else { return Vec::new() };
        if !self.done {
            told.note_first(event);
            return self.tell_first();
        }
        match event {
            Event::Init => {
                told.listing.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                told.listing.insert(object.name_any());
                vec![Event::Apply(object)]
            }
            Event::InitDone => {
                let listing = std::mem::take(&mut told.listing);
                let before = std::mem::replace(&mut told.names, listing);
                let gone = before.difference(&told.names).filter_map(|name| find(number, name));
                gone.map(Event::Delete).collect()
            }
            Event::Apply(object) => {
                told.names.insert(object.name_any());
                vec![Event::Apply(object)]
            }
            Event::Delete(object) => {
                told.names.remove(&object.name_any());
                vec![Event::Delete(object)]
            }
        }
    }

    /// A watch may not list. Should it be allowed to later, single changes tell of what is there.
    fn refused(&mut self, number: usize) -> Vec<Event<K>> {
        if self.done {
            return Vec::new();
        }
        if let Some(told) = self.watches.get_mut(number) {
            told.listed = true;
        }
        self.tell_first()
    }

    /// Tells the first lists once all are there.
    fn tell_first(&mut self) -> Vec<Event<K>> {
        if !self.watches.iter().all(|told| told.listed) {
            return Vec::new();
        }
        self.done = true;
        let mut events = vec![Event::Init];
        for told in &mut self.watches {
            let first = std::mem::take(&mut told.first);
            told.names = first.keys().cloned().collect();
            events.extend(first.into_values().map(Event::InitApply));
        }
        events.push(Event::InitDone);
        events
    }
}

impl<K: ResourceExt> Told<K> {
    fn note_first(&mut self, event: Event<K>) {
        match event {
            Event::Init => {
                self.first.clear();
                self.listed = false;
            }
            Event::InitApply(object) | Event::Apply(object) => {
                self.first.insert(object.name_any(), object);
            }
            Event::Delete(object) => {
                self.first.remove(&object.name_any());
            }
            Event::InitDone => self.listed = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn object(name: &str) -> ConfigMap {
        serde_yaml::from_str(&format!("{{metadata: {{name: {name}}}}}")).unwrap()
    }

    /// An event in a word: `[` a list begins, `]` it ends, `a` an object of it, `+a` changed, `-a` deleted; `!`, which is
    /// none, is a refusal.
    fn event(word: &str) -> Event<ConfigMap> {
        match word.split_at(1) {
            ("[", "") => Event::Init,
            ("]", "") => Event::InitDone,
            ("+", name) => Event::Apply(object(name)),
            ("-", name) => Event::Delete(object(name)),
            _ => Event::InitApply(object(word)),
        }
    }

    fn word(event: &Event<ConfigMap>) -> String {
        match event {
            Event::Init => "[".to_owned(),
            Event::InitDone => "]".to_owned(),
            Event::InitApply(object) => object.name_any(),
            Event::Apply(object) => format!("+{}", object.name_any()),
            Event::Delete(object) => format!("-{}", object.name_any()),
        }
    }

    /// What two watches tell, each word with the watch's number before it, as one watch tells it.
    fn told(words: &str) -> String {
        let mut merged = Merged::new(2);
        let find = |_: usize, name: &str| Some(object(name));
        let events = words.split(' ').flat_map(|numbered| {
            let (number, rest) = numbered.split_at(1);
            let number = number.parse().unwrap();
            if rest == "!" { merged.refused(number) } else { merged.take(number, event(rest), &find) }
        });
        let words: Vec<String> = events.collect::<Vec<_>>().iter().map(word).collect();
        words.join(" ")
    }

    #[test]
    fn first_lists_are_told_as_one_when_all_are_there() {
        assert_eq!(told("0[ 0a 0] 0+b"), "");
        assert_eq!(told("0[ 0a 0] 1[ 1b 1]"), "[ a b ]");
        assert_eq!(told("0[ 0a 0] 0-a 1[ 1] 0+c"), "[ ] +c");
        // A list that is begun anew before the other is there.
        assert_eq!(told("0[ 0a 0] 0[ 0b 1[ 1] 0]"), "[ b ]");
    }

    #[test]
    fn a_namespace_without_rights_holds_up_no_other() {
        assert_eq!(told("0[ 0a 1! 0]"), "[ a ]");
        assert_eq!(told("0[ 0a 0] 1! 1! 1[ 1b 1]"), "[ a ] +b");
        assert_eq!(told("1! 1[ 1b 0[ 0] 1]"), "[ b ]", "it was allowed meanwhile");
        assert_eq!(told("0[ 0a 0] 1[ 1b 1] 1! 0+c"), "[ a b ] +c");
    }

    #[test]
    fn a_later_list_deletes_in_its_own_namespace_only() {
        assert_eq!(told("0[ 0a 0] 1[ 1b 1] 0[ 0c 0]"), "[ a b ] +c -a");
        assert_eq!(told("0[ 0a 0] 1[ 1b 1] 0-a 0[ 0] 1+b"), "[ a b ] -a +b");
        assert_eq!(told("0[ 0] 1[ 1] 1+d 1[ 1] 0[ 0]"), "[ ] +d -d");
    }
}
