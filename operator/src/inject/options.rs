//! The options of a pod's gateway: from the pod's own annotations, else its workload's, else its namespace's.

use std::collections::BTreeMap;

use outrigger_llm::capture::{CAPTURES, Capture};
use serde_json::Value;

use crate::inject::annotations::{self, AnnotationError, AnnotationTarget, PREFIX, TABLE};
use crate::inject::values::{self, QuantityText, ValueError};
use crate::names;
use crate::objects::binding::Binding;
use crate::objects::metadata::Metadata;

/// The gateway's own default ports.
pub const PORT: u16 = 4180;
pub const ADMIN_PORT: u16 = 4181;

/// Namespaces have no such annotation.
static NO_DEFAULTS: BTreeMap<String, String> = BTreeMap::new();

/// The options of a pod's gateway.
#[derive(Clone, Debug)]
pub struct InjectionOptions {
    pub binding: Binding,
    pub captures: Vec<&'static Capture>,
    /// An annotation names the captures. Then placeholders are set even if a container may have keys from `envFrom`.
    pub explicit_captures: bool,
    /// `None` for all containers.
    pub containers: Option<Vec<String>>,
    pub port: u16,
    pub admin_port: u16,
    pub cpu: Option<QuantityText>,
    pub memory: Option<QuantityText>,
    pub log_level: Option<&'static str>,
    /// The audience of a token for a cloud.
    pub identity_audience: Option<String>,
}

/// A pod's own annotations and the stamp of its workload.
#[derive(Debug)]
pub struct GatewayAnnotations<'a> {
    own: BTreeMap<&'a str, &'a str>,
    stamp: BTreeMap<String, String>,
}

impl<'a> GatewayAnnotations<'a> {
    /// # Errors
    /// [`AnnotationError::Stamp`] if the operator did not write the workload's annotation.
    pub fn of(pod: &'a Value) -> Result<Self, AnnotationError> {
        let own = ours(Metadata::of(pod).annotations());
        let stamp = match own.get(names::WORKLOAD) {
            Some(text) => serde_json::from_str(text).map_err(|_| AnnotationError::Stamp)?,
            None => BTreeMap::new(),
        };
        Ok(GatewayAnnotations { own, stamp })
    }

    /// Whether the pod or its workload asks for a gateway or against one. `None` if neither has the annotation.
    ///
    /// # Errors
    /// [`AnnotationError::Value`].
    pub fn inject(&self) -> Result<Option<bool>, AnnotationError> {
        let found = self.find("inject", &NO_DEFAULTS);
        let parsed = found.map(|(target, value)| {
            values::truth(value).map_err(|error| AnnotationError::Value { target, word: "inject", error })
        });
        parsed.transpose()
    }

    fn find<'s>(&'s self, word: &str, defaults: &'s BTreeMap<String, String>) -> Option<(AnnotationTarget, &'s str)> {
        let name = format!("{PREFIX}{word}");
        let own = || Some((AnnotationTarget::Pod, *self.own.get(name.as_str())?));
        let workload = || Some((AnnotationTarget::Workload, self.stamp.get(word)?.as_str()));
        // An annotation that is not allowed on namespaces is ignored there.
        let default = || {
            annotations::row(AnnotationTarget::Namespace, word)?;
            Some((AnnotationTarget::Namespace, defaults.get(&name)?.as_str()))
        };
        own().or_else(workload).or_else(default)
    }

    /// Reads all options. A namespace's annotation is checked only if it applies, so that an error there does not
    /// affect pods with annotations of their own.
    ///
    /// # Errors
    /// The first [`AnnotationError`] found.
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
            let target = keys.map_or(AnnotationTarget::Pod, |(target, _)| target);
            AnnotationError::Value { target, word: "virtual-key", error: ValueError::Keys(error) }
        })?;
        let options = InjectionOptions {
            binding,
            explicit_captures: captures.is_some(),
            captures: captures.unwrap_or_else(|| CAPTURES.iter().filter(|capture| capture.usual).collect()),
            containers: self.read("containers", defaults, values::containers)?,
            port: self.read("port", defaults, values::port)?.unwrap_or(PORT),
            admin_port: self.read("admin-port", defaults, values::port)?.unwrap_or(ADMIN_PORT),
            cpu: self.read("cpu", defaults, values::cpu)?,
            memory: self.read("memory", defaults, values::memory)?,
            log_level: self.read("log-level", defaults, values::level)?,
            identity_audience: self.read("identity-audience", defaults, values::audience)?,
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
            found.map(|(target, value)| parse(value).map_err(|error| AnnotationError::Value { target, word, error }));
        read.transpose()
    }
}

/// The annotations that have our prefix.
pub fn ours(annotations: Option<&Value>) -> BTreeMap<&str, &str> {
    let all = annotations.and_then(Value::as_object).into_iter().flatten();
    all.filter(|(name, _)| name.starts_with(PREFIX))
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect()
}

/// Warnings about annotations of a namespace that have no effect. They do not prevent injection.
#[must_use]
pub fn ignored_annotations(defaults: &BTreeMap<String, String>) -> Vec<String> {
    let ours = defaults.iter().filter(|(name, _)| name.starts_with(PREFIX));
    let known = |name: &str| TABLE.iter().any(|row| name.strip_prefix(PREFIX) == Some(row.word));
    let ignored_annotations = ours.filter(|(name, _)| {
        !known(name)
            || annotations::row(AnnotationTarget::Namespace, name.strip_prefix(PREFIX).unwrap_or_default()).is_none()
    });
    ignored_annotations
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
    fn the_pod_overrides_its_workload_and_the_workload_its_namespace() {
        let namespace = defaults(&[("port", "5000"), ("log-level", "debug"), ("virtual-key", "all")]);
        let pod = pod(&json!({
            "outrigger.dev/workload": "{\"port\":\"6000\",\"virtual-key\":\"search\"}",
            "outrigger.dev/port": "7000",
            "other.example/port": "nonsense",
        }));
        let options = GatewayAnnotations::of(&pod).unwrap().options("shop", &namespace).unwrap();
        assert_eq!((options.port, options.admin_port, options.log_level), (7000, ADMIN_PORT, Some("debug")));
        assert_eq!(options.binding, Binding::of("shop", "search"));
        assert!(!options.explicit_captures);
    }

    #[test]
    fn an_invalid_namespace_annotation_matters_only_if_it_applies() {
        let namespace = defaults(&[("port", "eighty")]);
        let silent = pod(&json!({}));
        let error = GatewayAnnotations::of(&silent).unwrap().options("shop", &namespace).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the namespace's annotation outrigger.dev/port: `eighty` is no port from 1024 to 65535"
        );
        let own = pod(&json!({"outrigger.dev/port": "5000"}));
        assert_eq!(GatewayAnnotations::of(&own).unwrap().options("shop", &namespace).unwrap().port, 5000);
        // Only pods can name containers. The namespace's annotation gives a warning and is ignored.
        let odd = defaults(&[("containers", "app"), ("inject", "true"), ("capture", "openai"), ("prot", "1")]);
        assert_eq!(GatewayAnnotations::of(&silent).unwrap().options("shop", &odd).unwrap().containers, None);
        assert_eq!(ignored_annotations(&odd).len(), 3, "{:?}", ignored_annotations(&odd));
    }

    #[test]
    fn false_on_the_pod_overrides_its_workload() {
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
    fn the_two_ports_must_differ() {
        let pod = pod(&json!({"outrigger.dev/port": "4181"}));
        assert_eq!(
            GatewayAnnotations::of(&pod).unwrap().options("n", &BTreeMap::new()).unwrap_err(),
            AnnotationError::OnePort(4181)
        );
    }
}
