//! Which objects are this operator's: in which namespaces, and with which labels.

use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};

/// Which objects are this operator's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The namespaces, each once; none means all.
    namespaces: Vec<String>,
    /// The label selector of AudioConverters and ConversionJobs.
    selector: Option<String>,
}

impl Scope {
    /// Objects of both kinds in `namespaces` (none: in all) that `selector` matches (none: all).
    pub fn new(namespaces: &[String], selector: Option<&str>) -> Self {
        let mut names: Vec<String> = namespaces.iter().map(|name| name.trim().to_owned()).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        let selector = selector.map(str::trim).filter(|selector| !selector.is_empty());
        Self { namespaces: names, selector: selector.map(str::to_owned) }
    }

    /// The namespaces; none means all.
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// One API for all namespaces, or one for each.
    pub fn apis<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        if self.namespaces.is_empty() {
            return vec![Api::all(client.clone())];
        }
        self.namespaces.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect()
    }

    /// As [`Scope::apis`], for a kind that is known only at run time.
    pub fn apis_with<K>(&self, client: &Client, kind: &K::DynamicType) -> Vec<Api<K>>
    where
        K: Resource<Scope = kube::core::DynamicResourceScope>,
    {
        if self.namespaces.is_empty() {
            return vec![Api::all_with(client.clone(), kind)];
        }
        self.namespaces.iter().map(|namespace| Api::namespaced_with(client.clone(), namespace, kind)).collect()
    }

    /// The settings of a watch on objects of our kinds.
    pub fn settings(&self) -> watcher::Config {
        let settings = watcher::Config::default();
        match &self.selector {
            Some(selector) => settings.labels(selector),
            None => settings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_once_and_empty_ones_not_at_all() {
        let names = |text: &[&str]| {
            let names: Vec<String> = text.iter().map(|name| (*name).to_owned()).collect();
            Scope::new(&names, Some(" ")).namespaces().join(",")
        };
        assert_eq!(names(&[]), "");
        assert_eq!(names(&["", " "]), "");
        assert_eq!(names(&["night", " attic", "night"]), "attic,night");
        assert_eq!(Scope::new(&[], Some("")), Scope::default());
        assert_eq!(Scope::new(&[], Some("shard=a")).settings().label_selector.as_deref(), Some("shard=a"));
    }
}
