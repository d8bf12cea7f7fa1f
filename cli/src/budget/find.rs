//! Finds the objects and limits that somebody names.

use std::fmt;

use outrigger_policy::{LimitOwner, nearest};
use thiserror::Error;

use super::cluster::Place;
use super::input::InputError;
use super::objects::{ObjectWithLimits, OneLimit};
use super::tree;

/// Limits or objects that a message names.
const NAMED: usize = 8;

/// `team`, `vkey/search`, `shop/team`, `Budget/shop/team`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectName {
    kind: Option<LimitOwner>,
    namespace: Option<String>,
    name: String,
}

#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum FindError {
    #[error("there is no {name} {place}{}", did_you_mean(like.as_ref()))]
    None { name: ObjectName, place: Place, like: Option<String> },
    #[error("{name} is the name of several objects: write {}", listed(of))]
    Several { name: ObjectName, of: Vec<String> },
    #[error("{object} has no limit")]
    NoLimit { object: String },
    #[error("{object} has only limits that can't be shown or changed here: {}", listed(of))]
    NotShown { object: String, of: Vec<String> },
    #[error("{object} has no limit `{name}`: it has {}", listed(of))]
    NoSuchLimit { object: String, name: String, of: Vec<String> },
    #[error("{object} has several limits: say which one with --limit, such as {}", listed(of))]
    WhichLimit { object: String, of: Vec<String> },
    #[error(
        "each gateway counts {name} for itself, so the operator does not know what is spent: change the object instead"
    )]
    NotShared { name: String },
}

fn did_you_mean(like: Option<&String>) -> String {
    like.map(|like| format!("; did you mean {like}?")).unwrap_or_default()
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// By the names that kubectl knows.
fn kind(word: &str) -> Option<LimitOwner> {
    match word.to_ascii_lowercase().as_str() {
        "budget" | "budgets" | "llmb" | "budgets.outrigger.dev" => Some(LimitOwner::Budget),
        "virtualkey" | "virtualkeys" | "vkey" | "virtualkeys.outrigger.dev" => Some(LimitOwner::VirtualKey),
        "llmprovider" | "llmproviders" | "llmp" | "llmproviders.outrigger.dev" => Some(LimitOwner::Provider),
        _ => None,
    }
}

impl ObjectName {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (found, rest) = match text.split_once('/') {
            Some((word, rest)) if kind(word).is_some() => (kind(word), rest),
            _ => (None, text),
        };
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, rest),
        };
        // The shell writes nothing for a variable that is not set.
        if name.is_empty() || name.contains('/') || namespace.as_ref().is_some_and(String::is_empty) {
            return Err("must be NAME, KIND/NAME, NAMESPACE/NAME or KIND/NAMESPACE/NAME".to_owned());
        }
        Ok(ObjectName { kind: found, namespace, name: name.to_owned() })
    }

    /// Where the object is, if `namespace` is asked for.
    ///
    /// # Errors
    /// The name has another namespace.
    pub(super) fn place(&self, namespace: Option<&str>) -> Result<Place, InputError> {
        match (self.namespace.as_deref(), namespace) {
            (Some(own), Some(other)) if own != other => {
                Err(InputError::TwoNamespaces { name: self.to_string(), own: own.to_owned(), other: other.to_owned() })
            }
            (None, None) => Ok(Place::Current),
            (Some(name), _) | (None, Some(name)) => Ok(Place::Namespace(name.to_owned())),
        }
    }

    /// The namespace where the object must be looked for, as it is not among those of `place`.
    pub(super) fn elsewhere(&self, objects: &[ObjectWithLimits], place: &Place) -> Option<Place> {
        let other = Place::Namespace(self.namespace.clone()?);
        let in_one = matches!(place, Place::Current | Place::Namespace(_)) && *place != other;
        (in_one && !objects.iter().any(|object| self.names(object))).then_some(other)
    }

    fn names(&self, object: &ObjectWithLimits) -> bool {
        object.id.name == self.name
            && self.kind.is_none_or(|kind| kind == object.kind)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == object.id.namespace)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let kind = self.kind.map_or("Budget, VirtualKey or LLMProvider", LimitOwner::name);
        write!(f, "{kind} `{namespace}{}`", self.name)
    }
}

fn matching(objects: &[ObjectWithLimits], name: &ObjectName, place: &Place) -> Result<Vec<usize>, FindError> {
    let all = objects.iter().enumerate();
    let found: Vec<usize> = all.filter(|(_, object)| name.names(object)).map(|(number, _)| number).collect();
    if found.is_empty() {
        // An object of another namespace is not meant.
        let there = |object: &&ObjectWithLimits| {
            name.namespace.as_ref().is_none_or(|namespace| *namespace == object.id.namespace)
        };
        let like = nearest(&name.name, objects.iter().filter(there).map(|object| object.id.name.as_str()));
        let like = like.and_then(|like| objects.iter().filter(there).find(|object| object.id.name == like));
        let like = like.map(|object| format!("{} {}", object.kind, object.id));
        return Err(FindError::None { name: name.clone(), place: place.clone(), like });
    }
    Ok(found)
}

/// The objects of this name, what counts against them, and what they count against.
///
/// # Errors
/// There is none.
pub(super) fn family(objects: &[ObjectWithLimits], name: &ObjectName, place: &Place) -> Result<Vec<usize>, FindError> {
    let found = matching(objects, name, place)?;
    let (mut above, mut below) = (found.clone(), found);
    let mut at = 0;
    while let Some(object) = above.get(at).and_then(|number| objects.get(*number)) {
        let budgets = object.counts_against.iter().filter_map(|id| tree::budget(objects, id));
        let new: Vec<usize> = budgets.filter(|number| !above.contains(number)).collect();
        above.extend(new);
        at += 1;
    }
    at = 0;
    while let Some(budget) = below.get(at).and_then(|number| objects.get(*number)) {
        let children = objects.iter().enumerate().filter(|(_, object)| tree::counts_against(object, budget));
        let new: Vec<usize> = children.map(|(number, _)| number).filter(|number| !below.contains(number)).collect();
        below.extend(new);
        at += 1;
    }
    above.extend(below);
    above.sort_unstable();
    above.dedup();
    Ok(above)
}

/// The one object of this name.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn one<'a>(
    objects: &'a [ObjectWithLimits],
    name: &ObjectName,
    place: &Place,
) -> Result<&'a ObjectWithLimits, FindError> {
    let found: Vec<&ObjectWithLimits> =
        matching(objects, name, place)?.into_iter().filter_map(|number| objects.get(number)).collect();
    match found.as_slice() {
        [object] => Ok(object),
        several => {
            let of = several.iter().map(|object| format!("{}/{}", object.kind, object.id)).collect();
            Err(FindError::Several { name: name.clone(), of })
        }
    }
}

/// The limit by its field, with or without `spec.limits.`, or by its name if no other has that; without a name the only one.
///
/// # Errors
/// There is no such limit, or there are several.
pub(super) fn limit<'a>(object: &'a ObjectWithLimits, name: Option<&str>) -> Result<&'a OneLimit, FindError> {
    let shown = || format!("{} {}", object.kind, object.id);
    let found: Vec<&OneLimit> = match name {
        None => object.limits.iter().collect(),
        Some(name) => match object.limits.iter().find(|limit| limit.name == name || limit.shown_name() == name) {
            Some(limit) => vec![limit],
            None => object.limits.iter().filter(|limit| limit.short_name() == Some(name)).collect(),
        },
    };
    let names = |limits: &[&OneLimit]| limits.iter().map(|limit| limit.name.clone()).collect::<Vec<_>>();
    match (found.as_slice(), name) {
        ([limit], _) if !limit.shared => Err(FindError::NotShared { name: limit.name.clone() }),
        ([limit], _) => Ok(limit),
        _ if object.limits.is_empty() && !object.not_shown.is_empty() => {
            Err(FindError::NotShown { object: shown(), of: object.not_shown.clone() })
        }
        _ if object.limits.is_empty() => Err(FindError::NoLimit { object: shown() }),
        ([], Some(name)) => {
            let of = names(&object.limits.iter().collect::<Vec<_>>());
            Err(FindError::NoSuchLimit { object: shown(), name: name.to_owned(), of })
        }
        (several, _) => Err(FindError::WhichLimit { object: shown(), of: names(several) }),
    }
}
