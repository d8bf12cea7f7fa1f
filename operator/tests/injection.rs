//! Injects each `tests/pods/NAME.yaml` and compares the result with `NAME.golden.yaml`, which `UPDATE=1` writes.
//!
//! A second document in the file sets the namespace and the settings. A golden file with a pod can be applied as it is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

mod support;

use std::fmt::Write as _;

use outrigger_operator::admission::patch::between;
use outrigger_operator::inject::{InjectionContext, InjectionOutcome, InjectionReason, inject, requests_gateway};
use serde_json::{Value, json};
use support::{Case, cases, folder};

fn describe(outcome: &InjectionOutcome) -> String {
    let (head, warnings, pod) = match outcome {
        InjectionOutcome::Injected { pod, warnings } => ("injected".to_owned(), warnings.as_slice(), Some(pod)),
        InjectionOutcome::Unchanged(reason) => (format!("unchanged {reason}"), &[][..], None),
        InjectionOutcome::Skipped { pod, cause } => (format!("skipped {cause}"), &[][..], Some(pod)),
        InjectionOutcome::Refused(cause) => (format!("refused {cause}"), &[][..], None),
    };
    let mut text = format!("# {head}\n");
    for warning in warnings {
        writeln!(text, "# warning: {warning}").unwrap();
    }
    if let Some(pod) = pod {
        // The version is replaced, so that a release changes no golden file.
        text.push_str(&serde_yaml::to_string(pod).unwrap().replace(env!("CARGO_PKG_VERSION"), "0.0.0"));
    }
    text
}

#[test]
fn injection_matches_the_golden_files() {
    let cases = cases();
    assert!(cases.len() >= 40, "the pods are found");
    let mut stale = Vec::new();
    for case in &cases {
        let described = describe(&inject(&case.pod, &case.facts()));
        let file = folder().join(format!("{}.golden.yaml", case.name));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &described).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != described {
            stale.push(format!("{}:\n{described}", case.name));
        }
    }
    assert!(
        stale.is_empty(),
        "`UPDATE=1 cargo test -p outrigger-operator --test injection` writes:\n{}",
        stale.join("\n")
    );
}

/// Every reason that depends on the pod alone occurs in one of the cases.
#[test]
fn every_reason_has_its_pod() {
    let given: Vec<InjectionReason> = cases()
        .iter()
        .filter_map(|case| match inject(&case.pod, &case.facts()) {
            InjectionOutcome::Injected { .. } => None,
            InjectionOutcome::Unchanged(reason) => Some(reason),
            InjectionOutcome::Skipped { cause, .. } | InjectionOutcome::Refused(cause) => Some(cause.reason),
        })
        .collect();
    for reason in InjectionReason::ALL {
        let elsewhere = matches!(reason, InjectionReason::AlreadyInjected | InjectionReason::NamespaceUnknown);
        assert!(elsewhere || given.contains(&reason), "{reason}");
    }
}

fn injected(case: &Case) -> Option<Value> {
    match inject(&case.pod, &case.facts()) {
        InjectionOutcome::Injected { pod, .. } => Some(pod),
        _ => None,
    }
}

#[test]
fn injecting_twice_equals_injecting_once() {
    for case in cases() {
        match inject(&case.pod, &case.facts()) {
            InjectionOutcome::Injected { pod, .. } => {
                let again = inject(&pod, &case.facts());
                assert_eq!(again, InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected), "{}", case.name);
            }
            InjectionOutcome::Skipped { pod, cause } => {
                assert_eq!(inject(&pod, &case.facts()), InjectionOutcome::Skipped { pod, cause }, "{}", case.name);
            }
            InjectionOutcome::Unchanged(_) | InjectionOutcome::Refused(_) => {}
        }
    }
}

/// Nothing of the pod is lost or changed: after removing the additions, the original pod is left.
#[test]
fn only_our_fields_are_added() {
    for case in cases() {
        let Some(mut pod) = injected(&case) else { continue };
        let patch = between(&case.pod, &pod);
        let mut patched = case.pod.clone();
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched, pod, "{}", case.name);
        assert!(
            patch.0.iter().all(|operation| matches!(operation, json_patch::PatchOperation::Add(_))),
            "{}",
            case.name
        );

        let set = ["OPENAI_", "ANTHROPIC_", "GOOGLE_GEMINI_", "GEMINI_", "AZURE_OPENAI_", "AWS_"];
        let spec = pod["spec"].as_object_mut().unwrap();
        for (field, came) in [
            ("initContainers", "/spec/initContainers"),
            ("containers", "/spec/containers"),
            ("volumes", "/spec/volumes"),
        ] {
            let list = spec[field].as_array_mut().unwrap();
            list.retain(|value| {
                let name = value["name"].as_str().unwrap_or_default();
                name != "outrigger" && !(field == "volumes" && name.starts_with("outrigger-"))
            });
            for (index, container) in list.iter_mut().enumerate() {
                let there = case.pod.pointer(&format!("{came}/{index}/env")).and_then(Value::as_array);
                if let Some(variables) = container.get_mut("env").and_then(Value::as_array_mut) {
                    variables.retain(|variable| {
                        there.is_some_and(|there| there.contains(variable))
                            || !set.iter().any(|prefix| variable["name"].as_str().unwrap().starts_with(prefix))
                    });
                    if variables.is_empty() && there.is_none() {
                        container.as_object_mut().unwrap().shift_remove("env");
                    }
                }
            }
            if list.is_empty() && case.pod.pointer(came).is_none() {
                spec.shift_remove(field);
            }
        }
        if let Some(secrets) = case.pod.pointer("/spec/imagePullSecrets") {
            spec["imagePullSecrets"] = secrets.clone();
        }
        let metadata = pod["metadata"].as_object_mut().unwrap();
        for (field, ours) in [
            ("annotations", &["outrigger.dev/injected"][..]),
            ("labels", &["outrigger.dev/sidecar", "outrigger.dev/virtual-key"]),
        ] {
            let map = metadata[field].as_object_mut().unwrap();
            map.retain(|name, _| !ours.contains(&name.as_str()));
            if map.is_empty() {
                metadata.shift_remove(field);
            }
        }
        assert_eq!(pod, case.pod, "{}", case.name);
    }
}

/// The requirements of Pod Security's *restricted* for a container.
#[test]
fn the_gateway_satisfies_the_restricted_profile() {
    for case in cases() {
        let Some(pod) = injected(&case) else { continue };
        let init = pod["spec"]["initContainers"].as_array().unwrap();
        let gateway = init.iter().find(|container| container["name"] == "outrigger").unwrap();
        let context = &gateway["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(context["runAsNonRoot"], true);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
        assert_eq!(context.get("runAsUser").is_none(), case.settings.openshift, "{}", case.name);
        assert_eq!(gateway["restartPolicy"], "Always");
        assert!(gateway.get("livenessProbe").is_none() && gateway.get("lifecycle").is_none());
        // No other container mounts the gateway's volumes.
        let containers = init.iter().chain(pod["spec"]["containers"].as_array().unwrap());
        for other in containers.filter(|container| container["name"] != "outrigger") {
            let mounts = other.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
            assert!(mounts.filter_map(|mount| mount["name"].as_str()).all(|name| !name.starts_with("outrigger-")));
        }
    }
}

/// A mesh's containers, as in the pods that it injected.
fn mesh(name: &str, with: &dyn Fn(&str) -> bool) -> Vec<Value> {
    let case = cases().into_iter().find(|case| case.name == name).unwrap();
    let init = case.pod["spec"]["initContainers"].as_array().unwrap();
    init.iter().filter(|container| with(container["name"].as_str().unwrap())).cloned().collect()
}

fn order(pod: &Value) -> Vec<&str> {
    pod["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_second_pass_after_another_injector() {
    let case = cases().into_iter().find(|case| case.name == "plain").unwrap();
    let once = injected(&case).unwrap();

    // Istio puts its containers in front, so nothing is left to do.
    let mut behind_istio = once.clone();
    let istio = mesh("istio-native", &|name| name.starts_with("istio-"));
    behind_istio["spec"]["initContainers"].as_array_mut().unwrap().splice(0..0, istio);
    assert_eq!(inject(&behind_istio, &case.facts()), InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected));

    // Linkerd appends its containers. The gateway moves behind them, and keeps changes that others made to it.
    let mut before_linkerd = once.clone();
    let linkerd = mesh("linkerd-native", &|name| name.starts_with("linkerd-"));
    before_linkerd["spec"]["initContainers"][0]["resources"]["limits"]["cpu"] = "1".into();
    before_linkerd["spec"]["initContainers"].as_array_mut().unwrap().extend(linkerd);
    let InjectionOutcome::Injected { pod, warnings } = inject(&before_linkerd, &case.facts()) else {
        panic!("it moves")
    };
    assert_eq!(order(&pod), ["linkerd-init", "linkerd-proxy", "outrigger"]);
    assert_eq!(pod["spec"]["initContainers"][2]["resources"]["limits"]["cpu"], "1");
    assert!(warnings.is_empty());
    assert_eq!(inject(&pod, &case.facts()), InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected));
    let mut patched = before_linkerd.clone();
    json_patch::patch(&mut patched, &between(&before_linkerd, &pod)).unwrap();
    assert_eq!(patched, pod);

    // A second pass does not set variables in containers that were added later.
    let mut with_more = once.clone();
    with_more["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "late", "image": "x"}));
    assert_eq!(inject(&with_more, &case.facts()), InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected));

    // The pod names a key now: volume, annotation and label follow.
    let mut keyed = once.clone();
    keyed["metadata"]["annotations"]["outrigger.dev/virtual-key"] = "search".into();
    let InjectionOutcome::Injected { pod, .. } = inject(&keyed, &case.facts()) else { panic!("it has a new binding") };
    let text = pod.to_string();
    assert!(text.contains("outrigger-search") && !text.contains("outrigger-default"), "{text}");
    assert_eq!(pod["metadata"]["labels"]["outrigger.dev/virtual-key"], "search");

    // An older replica injected the pod first. The arguments for signatures are added.
    let mut older = once.clone();
    let arguments = older["spec"]["initContainers"][0]["args"].as_array_mut().unwrap();
    for flag in ["--signed-by", "--policy-name"] {
        let at = arguments.iter().position(|argument| argument == flag).unwrap();
        arguments.drain(at..at + 2);
    }
    let items = "/spec/volumes/1/projected/sources/0/configMap/items";
    older.pointer_mut(items).unwrap().as_array_mut().unwrap().truncate(2);
    let InjectionOutcome::Injected { pod, .. } = inject(&older, &case.facts()) else { panic!("it is repaired") };
    assert_eq!(pod.pointer(items), once.pointer(items));
    let sorted = |pod: &Value| {
        let arguments = pod["spec"]["initContainers"][0]["args"].as_array().unwrap();
        let mut pairs: Vec<String> = arguments.chunks(2).map(|pair| format!("{pair:?}")).collect();
        pairs.sort();
        pairs
    };
    assert_eq!(sorted(&pod), sorted(&once));

    // Another container may not read the gateway's volumes.
    let mut curious = once.clone();
    curious["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "outrigger-state", "mountPath": "/x"}]);
    let InjectionOutcome::Refused(cause) = inject(&curious, &case.facts()) else { panic!("it is refused") };
    assert_eq!(cause.reason, InjectionReason::NameTaken);

    // An image from an unknown mirror is refused.
    let mut mirrored = once.clone();
    mirrored["spec"]["initContainers"][0]["image"] = "mirror.example/outrigger-sidecar:1".into();
    let InjectionOutcome::Refused(cause) = inject(&mirrored, &case.facts()) else { panic!("it is refused") };
    assert_eq!(cause.reason, InjectionReason::ForeignGateway);
    let mut settings = case.settings.clone();
    settings.trusted_images.push("mirror.example/outrigger-sidecar".to_owned());
    let facts = InjectionContext { settings: &settings, ..case.facts() };
    assert_eq!(inject(&mirrored, &facts), InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected));

    // A missing volume is added again.
    let mut robbed = once.clone();
    robbed["spec"]["volumes"].as_array_mut().unwrap().remove(1);
    let InjectionOutcome::Injected { pod, .. } = inject(&robbed, &case.facts()) else { panic!("it is repaired") };
    assert_eq!(pod["spec"]["volumes"].as_array().unwrap().len(), once["spec"]["volumes"].as_array().unwrap().len());
}

/// A pod with the annotation and somebody else's container is not treated as injected.
#[test]
fn the_annotation_alone_does_not_count() {
    let case = cases().into_iter().find(|case| case.name == "plain").unwrap();
    let mut forged = case.pod.clone();
    forged["metadata"]["annotations"]["outrigger.dev/injected"] = r#"{"version":"1","keys":["default"]}"#.into();
    assert!(matches!(inject(&forged, &case.facts()), InjectionOutcome::Injected { .. }));
    forged["spec"]["initContainers"] = json!([{"name": "outrigger", "image": "x"}]);
    let InjectionOutcome::Refused(cause) = inject(&forged, &case.facts()) else { panic!("it is refused") };
    assert_eq!(cause.reason, InjectionReason::NameTaken);
}

#[test]
fn a_pods_request_is_read_without_injection() {
    for (name, expected) in [
        ("plain", Some(true)),
        ("asked-by-workload", Some(true)),
        ("labelled-opted-out", Some(false)),
        ("labelled-namespace", None),
        ("stamp-by-hand", None),
        ("typo-value", None),
    ] {
        let case = cases().into_iter().find(|case| case.name == name).unwrap();
        assert_eq!(requests_gateway(&case.pod), expected, "{name}");
    }
}
