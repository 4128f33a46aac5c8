//! A request to the apiserver in the words of its authorizer: verb, group, resource, subresource, namespace, name.
//!
//! The rules are those of apiserver's `RequestInfo` (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go).

use std::fmt;

/// What the apiserver is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// One object.
    Get,
    /// A collection.
    List,
    /// The changes of a collection, or of one object.
    Watch,
    /// A new object.
    Create,
    /// A whole object.
    Update,
    /// A part of an object; server-side apply too.
    Patch,
    /// One object's end.
    Delete,
    /// The end of all objects of a collection.
    DeleteCollection,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Get,
        Self::List,
        Self::Watch,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::DeleteCollection,
    ];

    /// The verb as RBAC writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// Whether it changes something.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// A kind of objects, by its API group and the plural that paths and roles name it with; a subresource of it, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The API group; the core group has no name.
    pub group: String,
    /// `deployments`, `pods/log`.
    pub resource: String,
}

impl Kind {
    /// From the group and the plural.
    pub fn new(group: &str, resource: &str) -> Self {
        Self { group: group.to_owned(), resource: resource.to_owned() }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let slash = if subresource.is_empty() { "" } else { "/" };
        write!(out, "{resource}{dot}{}{slash}{subresource}", self.group)
    }
}

/// A request for objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// Of which kind, subresource included.
    pub kind: Kind,
    /// In which namespace; none for all of them, and for kinds that know none.
    pub namespace: Option<String>,
    /// Of which object; none for a collection.
    pub name: Option<String>,
}

impl Request {
    /// Reads the method and the path with its query; None for what is no request for objects, as discovery.
    pub fn read(method: &str, path_and_query: &str) -> Option<Self> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut parts = path.trim_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let _version = parts.next()?;
        let mut rest: Vec<&str> = parts.collect();
        // A namespace is an object, and the folder of those in it.
        let namespace = match rest.as_slice() {
            ["namespaces", name] | ["namespaces", name, "status" | "finalize"] => Some((*name).to_owned()),
            ["namespaces", name, _, ..] => {
                let name = (*name).to_owned();
                rest.drain(..2);
                Some(name)
            }
            _ => None,
        };
        let (resource, name, subresource) = match rest.as_slice() {
            [resource] => (*resource, None, None),
            [resource, name] => (*resource, Some(*name), None),
            [resource, name, subresource, ..] => (*resource, Some(*name), Some(*subresource)),
            [] => return None,
        };
        let resource = subresource.map_or_else(|| resource.to_owned(), |sub| format!("{resource}/{sub}"));
        let watched = query.split('&').any(|pair| matches!(pair, "watch" | "watch=true" | "watch=1"));
        let verb = match (method, name) {
            ("GET", _) if watched => Verb::Watch,
            ("GET", None) => Verb::List,
            ("GET", Some(_)) => Verb::Get,
            ("POST", _) => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("PATCH", _) => Verb::Patch,
            ("DELETE", None) => Verb::DeleteCollection,
            ("DELETE", Some(_)) => Verb::Delete,
            _ => return None,
        };
        Some(Self { verb, kind: Kind::new(group, &resource), namespace, name: name.map(str::to_owned) })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.verb.as_str(), self.kind)?;
        if let Some(name) = &self.name {
            write!(out, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) if self.name.as_ref() != Some(namespace) => write!(out, " in {namespace}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_read_as_the_authorizer_reads_them() {
        for (method, path, told) in [
            ("GET", "/api/v1/pods?limit=500&resourceVersion=0", "list pods"),
            ("GET", "/api/v1/namespaces/studio/pods?watch=true&resourceVersion=7", "watch pods in studio"),
            ("GET", "/apis/apps/v1/deployments?&allowWatchBookmarks=true&watch=1", "watch deployments.apps"),
            ("GET", "/apis/apps/v1/namespaces/studio/deployments/choir", "get deployments.apps choir in studio"),
            ("GET", "/api/v1/namespaces/studio/pods/reel-1/log?tailLines=64", "get pods/log reel-1 in studio"),
            ("GET", "/api/v1/namespaces/studio", "get namespaces studio"),
            ("GET", "/api/v1/namespaces", "list namespaces"),
            ("POST", "/api/v1/namespaces/studio/secrets", "create secrets in studio"),
            ("PUT", "/api/v1/namespaces/studio/finalize", "update namespaces/finalize studio"),
            (
                "PATCH",
                "/apis/flacship.dev/v1alpha1/namespaces/studio/audioconverters/choir/status?force=true",
                "patch audioconverters.flacship.dev/status choir in studio",
            ),
            ("DELETE", "/apis/batch/v1/namespaces/studio/jobs/tour", "delete jobs.batch tour in studio"),
            ("DELETE", "/apis/batch/v1/namespaces/studio/jobs", "deletecollection jobs.batch in studio"),
        ] {
            assert_eq!(Request::read(method, path).unwrap().to_string(), told, "{method} {path}");
        }
        for path in ["/version", "/api", "/apis/apps", "/apis/apps/v1", "/healthz", "/"] {
            assert_eq!(Request::read("GET", path), None, "{path}");
        }
    }
}
