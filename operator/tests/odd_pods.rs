//! Random pods: injection never panics, loses nothing, and is idempotent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

mod support;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use outrigger_operator::admission::patch::between;
use outrigger_operator::admission::{AdmissionContext, Namespace, admit};
use outrigger_operator::inject::annotations::{PREFIX, TABLE};
use outrigger_operator::inject::{InjectionContext, InjectionOutcome, InjectionReason, inject};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::{cases, settings};

/// Values for fields of other types, among them words with a meaning in other fields.
fn odd() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "outrigger",
        "outrigger-token",
        "outrigger-policy",
        "istio-proxy",
        "linkerd-init",
        "app",
        "OPENAI_API_KEY",
        "true",
        "Always",
        "windows",
        "",
        "64Mi",
        "4180",
        "{\"keys\":[]}",
        "name",
        "💥",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![0i64, -1, 4180, 4181, i64::MAX]).prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let key = prop_oneof![
            word.clone().prop_map(str::to_owned),
            prop::sample::select(vec![
                "env",
                "envFrom",
                "ports",
                "containerPort",
                "resources",
                "limits",
                "volumeMounts",
                "restartPolicy"
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Paths in a pod where a random value is set.
const PLACES: &[&str] = &[
    "",
    "/metadata",
    "/metadata/annotations",
    "/metadata/labels",
    "/metadata/ownerReferences",
    "/spec",
    "/spec/containers",
    "/spec/containers/0",
    "/spec/containers/0/env",
    "/spec/containers/0/envFrom",
    "/spec/containers/0/ports",
    "/spec/containers/0/resources",
    "/spec/initContainers",
    "/spec/initContainers/0",
    "/spec/volumes",
    "/spec/resources",
    "/spec/imagePullSecrets",
    "/spec/nodeSelector",
    "/spec/os",
    "/spec/hostNetwork",
    "/metadata/annotations/outrigger.dev~1injected",
    "/metadata/annotations/outrigger.dev~1workload",
];

fn annotation() -> impl Strategy<Value = (String, String)> {
    let words: Vec<&str> = TABLE.iter().map(|row| row.word).chain(["workload", "injected", "nothing"]).collect();
    let values = vec![
        "true",
        "false",
        "a,b",
        "openai",
        "none",
        "app",
        "5000",
        "4181",
        "50m/1",
        "32Mi",
        "debug",
        "",
        "{\"port\":\"5001\"}",
        "{\"version\":\"1\",\"keys\":[\"a\"]}",
    ];
    (prop::sample::select(words), prop::sample::select(values))
        .prop_map(|(word, value)| (format!("{PREFIX}{word}"), value.to_owned()))
}

/// Sets the value at a path, and creates what is missing above it if possible.
fn put(pod: &mut Value, path: &str, value: Value) {
    if let Some(slot) = pod.pointer_mut(path) {
        *slot = value;
        return;
    }
    let Some((parent, name)) = path.rsplit_once('/') else { return };
    let name = name.replace("~1", "/");
    match pod.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.insert(name, value)),
        Some(Value::Array(list)) => list.push(value),
        _ => {}
    }
}

static PODS: LazyLock<Vec<Value>> = LazyLock::new(|| cases().into_iter().map(|case| case.pod).collect());

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn injection_never_panics_and_is_idempotent(
        which in 0usize..1000,
        edits in prop::collection::vec((prop::sample::select(PLACES.to_vec()), odd()), 0..4),
        annotations in prop::collection::vec(annotation(), 0..4),
        defaults in prop::collection::vec(annotation(), 0..3),
        labelled: bool,
        secrets: bool,
    ) {
        let mut pod = PODS[which % PODS.len()].clone();
        for (name, value) in annotations {
            put(&mut pod, &format!("/metadata/annotations/{}", name.replace('/', "~1")), value.into());
        }
        for (place, value) in edits {
            put(&mut pod, place, value);
        }
        let mut settings = settings();
        settings.image_pull_secrets.extend(secrets.then(|| "registry".to_owned()));
        let defaults: BTreeMap<String, String> = defaults.into_iter().collect();
        let facts = InjectionContext { settings: &settings, namespace: "shop", labelled, defaults: &defaults };
        let verdict = inject(&pod, &facts);
        match &verdict {
            InjectionOutcome::Injected { pod: after, .. } => {
                let mut patched = pod.clone();
                json_patch::patch(&mut patched, &between(&pod, after)).unwrap();
                prop_assert_eq!(&patched, after);
                prop_assert_eq!(inject(after, &facts), InjectionOutcome::Unchanged(InjectionReason::AlreadyInjected));
            }
            InjectionOutcome::Skipped { pod: after, .. } => prop_assert_eq!(&inject(after, &facts), &verdict),
            InjectionOutcome::Unchanged(_) | InjectionOutcome::Refused(_) => {}
        }

        // The same through the webhook.
        let known = |_: &str| Some(Namespace { labels: BTreeMap::new(), annotations: defaults.clone() });
        let context = AdmissionContext { settings: &settings, namespace: &known, record: &|_| {} };
        for (path, kind, object) in [
            ("/admit/pods", "Pod", pod.clone()),
            ("/admit/namespaces", "Pod", pod.clone()),
            ("/admit/workloads", "Deployment", json!({"metadata": pod["metadata"], "spec": {"template": pod}})),
        ] {
            let request = json!({"uid": "u", "kind": {"kind": kind}, "operation": "CREATE", "namespace": "shop", "object": object});
            let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
            let (status, body) = admit(path, review.to_string().as_bytes(), &context);
            prop_assert_eq!(status.as_u16(), 200);
            let answer: Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(&answer["response"]["uid"], "u");
        }
    }

    #[test]
    fn any_body_is_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let settings = settings();
        let context = AdmissionContext { settings: &settings, namespace: &|_| None, record: &|_| {} };
        prop_assert_eq!(admit("/admit/pods", &body, &context).0.as_u16(), 400);
    }

    #[test]
    fn a_patch_turns_one_value_into_the_other(before in odd(), after in odd()) {
        let mut patched = before.clone();
        json_patch::patch(&mut patched, &between(&before, &after)).unwrap();
        prop_assert_eq!(patched, after);
    }
}
