//! The options of a pod's gateway: from the pod's own annotations, else its workload's, else its namespace's.

use std::collections::BTreeMap;

use outrigger_llm::capture::{CAPTURES, Capture};
use serde_json::Value;

use crate::inject::annotations::{self, AnnotationError, AnnotationTarget, PREFIX, TABLE};
use crate::inject::values::{self, QuantityText, ValueError};
use crate::names;
use crate::objects::binding::Binding;
use crate::objects::metadata::Metadata;

/// The gateway's ports where nobody says otherwise: its own defaults.
pub const PORT: u16 = 4180;
pub const ADMIN_PORT: u16 = 4181;

/// A namespace can't say that one by an annotation.
static NOTHING: BTreeMap<String, String> = BTreeMap::new();

/// What is asked for a pod.
#[derive(Clone, Debug)]
pub struct InjectionOptions {
    pub binding: Binding,
    pub captures: Vec<&'static Capture>,
    /// Somebody named the captures: placeholders stand even where a container may have keys that are not seen.
    pub by_name: bool,
    /// `None`: all.
    pub containers: Option<Vec<String>>,
    pub port: u16,
    pub admin_port: u16,
    pub cpu: Option<QuantityText>,
    pub memory: Option<QuantityText>,
    pub log_level: Option<&'static str>,
}

/// A pod's own annotations and the stamp of its workload.
#[derive(Debug)]
pub struct GatewayAnnotations<'a> {
    own: BTreeMap<&'a str, &'a str>,
    stamp: BTreeMap<String, String>,
}

impl<'a> GatewayAnnotations<'a> {
    /// # Errors
    /// [`AnnotationError::Stamp`] where the workload's annotation was written by somebody else.
    pub fn of(pod: &'a Value) -> Result<Self, AnnotationError> {
        let own = ours(Metadata::of(pod).annotations());
        let stamp = match own.get(names::WORKLOAD) {
            Some(text) => serde_json::from_str(text).map_err(|_| AnnotationError::Stamp)?,
            None => BTreeMap::new(),
        };
        Ok(GatewayAnnotations { own, stamp })
    }

    /// Whether the pod or its workload asks, or asks not to; `None`: neither says anything.
    ///
    /// # Errors
    /// [`AnnotationError::Value`].
    pub fn inject(&self) -> Result<Option<bool>, AnnotationError> {
        let found = self.find("inject", &NOTHING);
        let said = found.map(|(place, value)| {
            values::truth(value).map_err(|wrong| AnnotationError::Value { place, word: "inject", wrong })
        });
        said.transpose()
    }

    fn find<'s>(&'s self, word: &str, defaults: &'s BTreeMap<String, String>) -> Option<(AnnotationTarget, &'s str)> {
        let name = format!("{PREFIX}{word}");
        let own = || Some((AnnotationTarget::Pod, *self.own.get(name.as_str())?));
        let workload = || Some((AnnotationTarget::Workload, self.stamp.get(word)?.as_str()));
        // Where a row may not stand on namespaces, what stands there is none.
        let default = || {
            annotations::row(AnnotationTarget::Namespace, word)?;
            Some((AnnotationTarget::Namespace, defaults.get(&name)?.as_str()))
        };
        own().or_else(workload).or_else(default)
    }

    /// All that is asked. What a namespace says is judged only where it counts: a slip there must not keep pods away
    /// that say better.
    ///
    /// # Errors
    /// [`AnnotationError`], the first that is found.
    pub fn options(
        &self,
        namespace: &str,
        defaults: &BTreeMap<String, String>,
    ) -> Result<InjectionOptions, AnnotationError> {
        for (name, value) in &self.own {
            if !matches!(*name, names::WORKLOAD | names::INJECTED) {
                annotations::check(AnnotationTarget::Pod, name, value)?;
            }
        }
        for (word, value) in &self.stamp {
            annotations::check(AnnotationTarget::Workload, &format!("{PREFIX}{word}"), value)?;
        }
        let captures = self.read("capture", defaults, values::captures)?;
        let keys = self.find("virtual-key", defaults);
        let binding = Binding::parse(namespace, keys.map(|(_, value)| value)).map_err(|error| {
            let place = keys.map_or(AnnotationTarget::Pod, |(place, _)| place);
            AnnotationError::Value { place, word: "virtual-key", wrong: ValueError::Keys(error) }
        })?;
        let options = InjectionOptions {
            binding,
            by_name: captures.is_some(),
            captures: captures.unwrap_or_else(|| CAPTURES.iter().filter(|capture| capture.usual).collect()),
            containers: self.read("containers", defaults, values::containers)?,
            port: self.read("port", defaults, values::port)?.unwrap_or(PORT),
            admin_port: self.read("admin-port", defaults, values::port)?.unwrap_or(ADMIN_PORT),
            cpu: self.read("cpu", defaults, values::cpu)?,
            memory: self.read("memory", defaults, values::memory)?,
            log_level: self.read("log-level", defaults, values::level)?,
        };
        if options.port == options.admin_port {
            return Err(AnnotationError::OnePort(options.port));
        }
        Ok(options)
    }

    fn read<T>(
        &self,
        word: &'static str,
        defaults: &BTreeMap<String, String>,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, AnnotationError> {
        let found = self.find(word, defaults);
        let read =
            found.map(|(place, value)| parse(value).map_err(|wrong| AnnotationError::Value { place, word, wrong }));
        read.transpose()
    }
}

/// The annotations of ours among an object's.
pub fn ours(annotations: Option<&Value>) -> BTreeMap<&str, &str> {
    let all = annotations.and_then(Value::as_object).into_iter().flatten();
    all.filter(|(name, _)| name.starts_with(PREFIX))
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect()
}

/// What a namespace says that nobody reads: told, and no reason to keep its pods away.
#[must_use]
pub fn unread(defaults: &BTreeMap<String, String>) -> Vec<String> {
    let ours = defaults.iter().filter(|(name, _)| name.starts_with(PREFIX));
    let known = |name: &str| TABLE.iter().any(|row| name.strip_prefix(PREFIX) == Some(row.word));
    let unread = ours.filter(|(name, _)| {
        !known(name)
            || annotations::row(AnnotationTarget::Namespace, name.strip_prefix(PREFIX).unwrap_or_default()).is_none()
    });
    unread
        .filter_map(|(name, value)| {
            Some(annotations::check(AnnotationTarget::Namespace, name, value).err()?.to_string())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defaults(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned())).collect()
    }

    fn pod(annotations: &Value) -> Value {
        json!({"metadata": {"annotations": annotations}})
    }

    #[test]
    fn the_pod_outranks_its_workload_which_outranks_its_namespace() {
        let namespace = defaults(&[("port", "5000"), ("log-level", "debug"), ("virtual-key", "all")]);
        let pod = pod(&json!({
            "outrigger.dev/workload": "{\"port\":\"6000\",\"virtual-key\":\"search\"}",
            "outrigger.dev/port": "7000",
            "other.example/port": "nonsense",
        }));
        let options = GatewayAnnotations::of(&pod).unwrap().options("shop", &namespace).unwrap();
        assert_eq!((options.port, options.admin_port, options.log_level), (7000, ADMIN_PORT, Some("debug")));
        assert_eq!(options.binding, Binding::of("shop", "search"));
        assert!(!options.by_name);
    }

    #[test]
    fn a_slip_of_the_namespace_counts_where_nobody_says_better() {
        let namespace = defaults(&[("port", "eighty")]);
        let silent = pod(&json!({}));
        let error = GatewayAnnotations::of(&silent).unwrap().options("shop", &namespace).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the namespace's annotation outrigger.dev/port: `eighty` is no port from 1024 to 65535"
        );
        let own = pod(&json!({"outrigger.dev/port": "5000"}));
        assert_eq!(GatewayAnnotations::of(&own).unwrap().options("shop", &namespace).unwrap().port, 5000);
        // Containers are a pod's own: a namespace's word for them is told, and passed over.
        let odd = defaults(&[("containers", "app"), ("inject", "true"), ("capture", "openai"), ("prot", "1")]);
        assert_eq!(GatewayAnnotations::of(&silent).unwrap().options("shop", &odd).unwrap().containers, None);
        assert_eq!(unread(&odd).len(), 3, "{:?}", unread(&odd));
    }

    #[test]
    fn whoever_says_false_opts_out() {
        for (annotations, expected) in [
            (json!({}), None),
            (json!({"outrigger.dev/inject": "true"}), Some(true)),
            (json!({"outrigger.dev/workload": "{\"inject\":\"true\"}"}), Some(true)),
            (json!({"outrigger.dev/workload": "{\"inject\":\"true\"}", "outrigger.dev/inject": "false"}), Some(false)),
            (json!({"outrigger.dev/workload": "{\"virtual-key\":\"a\"}"}), None),
        ] {
            let pod = pod(&annotations);
            assert_eq!(GatewayAnnotations::of(&pod).unwrap().inject(), Ok(expected), "{annotations}");
        }
        let odd = pod(&json!({"outrigger.dev/workload": "[1]"}));
        assert_eq!(GatewayAnnotations::of(&odd).unwrap_err(), AnnotationError::Stamp);
    }

    #[test]
    fn two_listeners_need_two_ports() {
        let pod = pod(&json!({"outrigger.dev/port": "4181"}));
        assert_eq!(
            GatewayAnnotations::of(&pod).unwrap().options("n", &BTreeMap::new()).unwrap_err(),
            AnnotationError::OnePort(4181)
        );
    }
}
