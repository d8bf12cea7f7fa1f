//! Which pods' gateways get credentials: what injection makes, and nothing that somebody else made or changed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

mod support;

use outrigger_operator::binding::Binding;
use outrigger_operator::genuine::{Foreign, Genuine};
use outrigger_operator::inject::{Verdict, inject};
use outrigger_operator::pods::{Pod, WatchedPod};
use serde_json::{Value, json};
use support::{Case, cases, settings};

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

/// As the API server would have it.
fn running(case: &Case) -> Value {
    let Verdict::Injected { mut pod, .. } = inject(&case.pod, &case.facts()) else {
        panic!("{} is injected", case.name)
    };
    pod["metadata"]["name"] = "app-1".into();
    pod["metadata"]["namespace"] = "shop".into();
    pod["metadata"]["uid"] = "uid-1".into();
    // Its own admission gives every container this mount.
    let mount = json!({"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().unwrap() {
            let mounts = container.as_object_mut().unwrap().entry("volumeMounts").or_insert_with(|| json!([]));
            mounts.as_array_mut().unwrap().push(mount.clone());
        }
    }
    let token = json!({"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}});
    let volume = json!({"name": "kube-api-access", "projected": {"sources": [token]}});
    pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    pod
}

fn seen(pod: &Value) -> Pod {
    let pod: WatchedPod = serde_json::from_value(pod.clone()).unwrap();
    Pod::of(&pod, &Genuine::of(&settings())).unwrap()
}

#[test]
fn whatever_is_injected_is_known_again() {
    let mut found = 0;
    for case in cases() {
        if !matches!(inject(&case.pod, &case.facts()), Verdict::Injected { .. }) {
            continue;
        }
        found += 1;
        assert_eq!(seen(&running(&case)).foreign, None, "{}", case.name);
    }
    assert!(found > 20);
}

#[test]
fn what_a_pod_is_bound_to_can_t_be_changed_by_an_annotation() {
    let mut pod = running(&case("plain"));
    assert_eq!(seen(&pod).binding, Binding::default_of("shop"));
    pod["metadata"]["annotations"]["outrigger.dev/injected"] = r#"{"version":"1","keys":["rich"]}"#.into();
    pod["metadata"]["labels"]["outrigger.dev/virtual-key"] = "rich".into();
    assert_eq!(seen(&pod).binding, Binding::default_of("shop"));
}

#[test]
fn a_pod_that_only_says_so_is_none() {
    let said = json!({
        "metadata": {
            "name": "app-1", "namespace": "shop", "uid": "uid-1",
            "labels": {"outrigger.dev/sidecar": "1"},
            "annotations": {"outrigger.dev/injected": r#"{"version":"1","keys":["rich"]}"#},
        },
        "spec": {
            "containers": [{"name": "app", "image": "x", "volumeMounts": [{"name": "mine", "mountPath": "/mine"}]}],
            "volumes": [{
                "name": "mine",
                "projected": {"sources": [{"serviceAccountToken": {"audience": "outrigger", "path": "token"}}]},
            }],
        },
    });
    let pod: WatchedPod = serde_json::from_value(said).unwrap();
    assert_eq!(Pod::of(&pod, &Genuine::of(&settings())), None);
}

#[test]
fn whoever_changes_the_gateway_or_reaches_into_it_gets_nothing() {
    let changed = |what: &str| Foreign::Changed(what.to_owned());
    let gateway = "/spec/initContainers/0";
    let cases: Vec<(&str, Value, Foreign)> = vec![
        (
            "another image",
            json!([{"op": "replace", "path": format!("{gateway}/image"), "value": "evil.example/outrigger-sidecar:1"}]),
            Foreign::Image("evil.example/outrigger-sidecar:1".to_owned()),
        ),
        ("no sidecar", json!([{"op": "remove", "path": format!("{gateway}/restartPolicy")}]), Foreign::NoGateway),
        ("none at all", json!([{"op": "remove", "path": gateway}]), Foreign::NoGateway),
        (
            "a command",
            json!([{"op": "add", "path": format!("{gateway}/command"), "value": ["/bin/cat"]}]),
            changed("a command"),
        ),
        (
            "a hook",
            json!([{"op": "add", "path": format!("{gateway}/lifecycle"), "value": {"postStart": {}}}]),
            changed("a lifecycle hook"),
        ),
        (
            "another operator",
            json!([{"op": "add", "path": format!("{gateway}/args"), "value": ["--operator", "https://evil.example:443"]}]),
            changed("the argument `--operator https://evil.example:443`"),
        ),
        (
            "state elsewhere",
            json!([{"op": "add", "path": format!("{gateway}/args"), "value": ["--state", "/shared"]}]),
            changed("the argument `--state /shared`"),
        ),
        (
            "a program in its place",
            json!([{"op": "add", "path": format!("{gateway}/volumeMounts/-"), "value": {"name": "x", "mountPath": "/outrigger-sidecar"}}]),
            changed("a mount at /outrigger-sidecar"),
        ),
        (
            "its token elsewhere",
            json!([{"op": "replace", "path": format!("{gateway}/volumeMounts/0/mountPath"), "value": "/tmp"}]),
            changed("a mount at /tmp"),
        ),
        (
            "the application reads its state",
            json!([{"op": "add", "path": "/spec/containers/0/volumeMounts/-", "value": {"name": "outrigger-state", "mountPath": "/x"}}]),
            Foreign::Mounted("app".to_owned()),
        ),
        (
            "a debugger reads its token",
            json!([{"op": "add", "path": "/spec/ephemeralContainers", "value": [
                {"name": "debugger", "image": "x", "volumeMounts": [{"name": "outrigger-token", "mountPath": "/x"}]},
            ]}]),
            Foreign::Mounted("debugger".to_owned()),
        ),
        (
            "a token of its own",
            json!([{"op": "add", "path": "/spec/volumes/-", "value": {
                "name": "mine",
                "projected": {"sources": [{"serviceAccountToken": {"audience": "outrigger", "path": "t"}}]},
            }}]),
            Foreign::Token("mine".to_owned()),
        ),
        (
            "one process namespace",
            json!([{"op": "add", "path": "/spec/shareProcessNamespace", "value": true}]),
            Foreign::SharedProcesses,
        ),
        (
            "the node's processes",
            json!([{"op": "add", "path": "/spec/hostPID", "value": true}]),
            Foreign::SharedProcesses,
        ),
        (
            "another way to the operator",
            json!([{"op": "add", "path": "/spec/hostAliases", "value": [
                {"ip": "10.0.0.1", "hostnames": ["a", "Outrigger.outrigger-system.svc"]},
            ]}]),
            Foreign::HostAlias,
        ),
    ];
    for (name, patch, expected) in cases {
        let mut pod = running(&case("plain"));
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut pod, &patch).unwrap();
        assert_eq!(seen(&pod).foreign, Some(expected), "{name}");
    }
}

#[test]
fn other_versions_and_named_mirrors_are_known() {
    let mut pod = running(&case("plain"));
    pod["spec"]["initContainers"][0]["image"] = "registry.example/outrigger-sidecar:0.9@sha256:00".into();
    assert_eq!(seen(&pod).foreign, None);
    pod["spec"]["initContainers"][0]["image"] = "mirror.example/outrigger-sidecar:1".into();
    let mut settings = settings();
    assert!(Genuine::of(&settings).judge_json(&pod).is_err());
    settings.trusted_images.push("mirror.example/outrigger-sidecar".to_owned());
    assert_eq!(Genuine::of(&settings).judge_json(&pod), Ok(()));
}
