//! Which gateways get credentials: those that the operator injected, unless somebody changed them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

mod support;

use k8s_openapi::api::core::v1::Pod;
use outrigger_operator::attestation::{AttestationError, Attestor};
use outrigger_operator::inject::{InjectionOutcome, inject};
use outrigger_operator::objects::binding::Binding;
use outrigger_operator::seal::{Seal, VerifyingKeys};
use outrigger_operator::state::pods::GatewayPod;
use serde_json::{Value, json};
use support::{Case, cases, settings};

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

/// The pod as the API server stores it.
fn running(case: &Case) -> Value {
    let InjectionOutcome::Injected { mut pod, .. } = inject(&case.pod, &case.facts()) else {
        panic!("{} is injected", case.name)
    };
    pod["metadata"]["name"] = "app-1".into();
    pod["metadata"]["namespace"] = "shop".into();
    pod["metadata"]["uid"] = "uid-1".into();
    // The API server's admission adds this mount to every container.
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

fn gateway_pod(pod: &Value) -> GatewayPod {
    let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
    GatewayPod::of(&pod, &Attestor::of(&settings())).unwrap()
}

/// Checks a pod that was injected and then changed.
fn check_patched(patch: Value) -> Option<AttestationError> {
    let mut pod = running(&case("plain"));
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    gateway_pod(&pod).foreign
}

#[test]
fn every_injected_pod_is_accepted() {
    let mut found = 0;
    for case in cases() {
        if !matches!(inject(&case.pod, &case.facts()), InjectionOutcome::Injected { .. }) {
            continue;
        }
        found += 1;
        assert_eq!(gateway_pod(&running(&case)).foreign, None, "{}", case.name);
    }
    assert!(found > 20);
}

#[test]
fn an_annotation_cannot_change_a_pods_binding() {
    let mut pod = running(&case("plain"));
    assert_eq!(gateway_pod(&pod).binding, Binding::default_of("shop"));
    pod["metadata"]["annotations"]["outrigger.dev/injected"] = r#"{"version":"1","keys":["rich"]}"#.into();
    pod["metadata"]["labels"]["outrigger.dev/virtual-key"] = "rich".into();
    assert_eq!(gateway_pod(&pod).binding, Binding::default_of("shop"));
}

#[test]
fn a_pod_with_only_labels_and_annotations_has_no_gateway() {
    let object = json!({
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
    let pod: Pod = serde_json::from_value(object).unwrap();
    assert_eq!(GatewayPod::of(&pod, &Attestor::of(&settings())), None);
}

#[test]
fn a_changed_or_accessible_gateway_gets_no_credentials() {
    let changed = |what: &str| AttestationError::Changed(what.to_owned());
    let gateway = "/spec/initContainers/0";
    let cases: Vec<(&str, Value, AttestationError)> = vec![
        (
            "another image",
            json!([{"op": "replace", "path": format!("{gateway}/image"), "value": "evil.example/outrigger-sidecar:1"}]),
            AttestationError::Image("evil.example/outrigger-sidecar:1".to_owned()),
        ),
        (
            "no sidecar",
            json!([{"op": "remove", "path": format!("{gateway}/restartPolicy")}]),
            AttestationError::NoGateway,
        ),
        ("none at all", json!([{"op": "remove", "path": gateway}]), AttestationError::NoGateway),
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
            AttestationError::Mounted("app".to_owned()),
        ),
        (
            "a debugger reads its token",
            json!([{"op": "add", "path": "/spec/ephemeralContainers", "value": [
                {"name": "debugger", "image": "x", "volumeMounts": [{"name": "outrigger-token", "mountPath": "/x"}]},
            ]}]),
            AttestationError::Mounted("debugger".to_owned()),
        ),
        (
            "a token of its own",
            json!([{"op": "add", "path": "/spec/volumes/-", "value": {
                "name": "mine",
                "projected": {"sources": [{"serviceAccountToken": {"audience": "outrigger", "path": "t"}}]},
            }}]),
            AttestationError::Token("mine".to_owned()),
        ),
        (
            "one process namespace",
            json!([{"op": "add", "path": "/spec/shareProcessNamespace", "value": true}]),
            AttestationError::SharedProcesses,
        ),
        (
            "the node's processes",
            json!([{"op": "add", "path": "/spec/hostPID", "value": true}]),
            AttestationError::SharedProcesses,
        ),
        (
            "another way to the operator",
            json!([{"op": "add", "path": "/spec/hostAliases", "value": [
                {"ip": "10.0.0.1", "hostnames": ["a", "Outrigger.outrigger-system.svc"]},
            ]}]),
            AttestationError::HostAlias,
        ),
    ];
    for (name, patch, expected) in cases {
        assert_eq!(check_patched(patch), Some(expected), "{name}");
    }
}

fn add(path: &str, value: &Value) -> Value {
    json!([{"op": "add", "path": path, "value": value}])
}

#[test]
fn only_the_gateways_own_program_may_probe_it() {
    let exec = |command: Value| json!({"exec": {"command": command}});
    let ours = |more: &[&str]| {
        let command: Vec<&str> = ["/outrigger-sidecar", "probe", "ready"].iter().chain(more).copied().collect();
        exec(json!(command))
    };
    let odd = [
        exec(json!(["/tmp/x"])),
        exec(json!([])),
        json!({"exec": {}}),
        exec(json!(["/outrigger-sidecar"])),
        exec(json!(["/outrigger-sidecar", "probe", "other"])),
        exec(json!(["/outrigger-sidecar", "--policy", "/tmp"])),
        exec(json!(["/tmp/outrigger-sidecar", "probe", "ready"])),
        ours(&["--listen"]),
        ours(&["--listen", "/tmp/x"]),
        ours(&["--policy", "/tmp"]),
        ours(&["--listen", "127.0.0.1:1", "--state", "127.0.0.1:1"]),
    ];
    let fine = [
        ours(&[]),
        ours(&["--listen", "127.0.0.1:1", "--admin", "[::1]:2"]),
        json!({"httpGet": {"path": "/startedz", "port": 4181}}),
        json!({"tcpSocket": {"port": 4181}}),
        json!({"grpc": {"port": 4181}}),
    ];
    for kind in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let check = |probe: &Value| check_patched(add(&format!("/spec/initContainers/0/{kind}"), probe));
        for probe in &odd {
            assert_eq!(check(probe), Some(AttestationError::Changed("a probe".to_owned())), "{kind} {probe}");
        }
        for probe in &fine {
            assert_eq!(check(probe), None, "{kind} {probe}");
        }
    }
}

#[test]
fn the_gateways_volumes_have_only_the_operators_sources() {
    let token = json!({"serviceAccountToken": {"audience": "outrigger", "path": "token"}});
    let map = json!({"configMap": {"name": "outrigger-default", "items": [
        {"key": "policy.v1.json", "path": "policy.v1.json"}, {"key": "ca.crt", "path": "ca.crt"},
    ]}});
    let with = |more: &[(&str, &str)]| {
        let mut map = map.clone();
        let items = map["configMap"]["items"].as_array_mut().unwrap();
        items.extend(more.iter().map(|(key, path)| json!({"key": key, "path": path})));
        map
    };
    let secret = json!({"secret": {"name": "outrigger-default", "optional": true}});
    let labels = json!({"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}});
    let other = json!({"configMap": {"name": "mine", "items": [{"key": "ca.crt", "path": "ca.crt"}]}});
    let changed = |from: &Value, path: &str, to: Value| {
        let mut changed = from.clone();
        *changed.pointer_mut(path).unwrap() = to;
        changed
    };
    let projected = |sources: &[&Value]| json!({"projected": {"sources": sources}});
    let renamed = |name: &str| changed(&map, "/configMap/name", name.into());
    let with_items = json!({"secret": {"name": "outrigger-default", "items": [{"key": "x", "path": "ca.crt"}]}});
    let annotations = "/downwardAPI/items/0/fieldRef/fieldPath";
    let (state, policy, tokens) = ("outrigger-state", "outrigger-policy", "outrigger-token");
    for (name, is_ours, volume) in [
        (state, true, json!({"emptyDir": {"medium": "Memory"}})),
        (state, false, json!({"emptyDir": {}})),
        (state, false, json!({"emptyDir": {"medium": "HugePages"}})),
        (state, false, json!({"persistentVolumeClaim": {"claimName": "shared"}})),
        (state, false, json!({"hostPath": {"path": "/shared"}})),
        (tokens, true, projected(&[&token])),
        (tokens, false, projected(&[])),
        (tokens, false, projected(&[&token, &token])),
        (tokens, false, projected(&[&token, &other])),
        (tokens, false, projected(&[&changed(&token, "/serviceAccountToken/audience", "else".into())])),
        (tokens, false, projected(&[&changed(&token, "/serviceAccountToken/path", "else".into())])),
        (tokens, false, json!({"secret": {"secretName": "mine"}})),
        (policy, true, projected(&[&map, &secret, &labels])),
        (policy, true, projected(&[&map, &labels])),
        (policy, true, projected(&[&with(&[("policy.v1.sig", "policy.v1.sig")]), &secret, &labels])),
        (policy, false, projected(&[&with(&[("mine", "policy.v1.sig")]), &secret, &labels])),
        (policy, false, projected(&[&with(&[("policy.v1.sig", "labels")]), &secret, &labels])),
        (policy, false, projected(&[&with(&[("policy.v1.sig", "policy.v1.sig"), ("x", "y")]), &secret, &labels])),
        (policy, false, projected(&[&map, &secret, &labels, &other])),
        (policy, false, projected(&[&map, &other, &labels])),
        (policy, false, projected(&[&map, &secret, &other])),
        (policy, false, projected(&[&map, &secret])),
        (policy, false, projected(&[&secret, &map, &labels])),
        (policy, false, projected(&[&map, &json!({"clusterTrustBundle": {"path": "ca.crt"}}), &labels])),
        (policy, false, projected(&[&renamed("outrigger-other"), &secret, &labels])),
        (
            policy,
            true,
            projected(&[&renamed("outrigger-a.b"), &changed(&secret, "/secret/name", "outrigger-a.b".into()), &labels]),
        ),
        (policy, false, projected(&[&map, &with_items, &labels])),
        (policy, false, projected(&[&changed(&map, "/configMap/items/0/key", "mine".into()), &secret, &labels])),
        (policy, false, projected(&[&changed(&map, "/configMap/items/1/path", "labels".into()), &secret, &labels])),
        (policy, false, projected(&[&changed(&map, "/configMap/items", json!([])), &secret, &labels])),
        (policy, false, projected(&[&map, &secret, &changed(&labels, "/downwardAPI/items/0/path", "ca.crt".into())])),
        (policy, false, projected(&[&map, &secret, &changed(&labels, annotations, "metadata.annotations".into())])),
    ] {
        let mut pod = running(&case("plain"));
        let there = pod["spec"]["volumes"].as_array_mut().unwrap().iter_mut().find(|there| there["name"] == name);
        let mut named = volume.clone();
        named["name"] = name.into();
        *there.unwrap() = named;
        // The gateway's arguments name the ConfigMap that a signature must be for.
        if let Some(name) = volume.pointer("/projected/sources/0/configMap/name") {
            let at = argument(&pod, "--policy-name").unwrap();
            pod["spec"]["initContainers"][0]["args"][at] = name.clone();
        }
        let expected = (!is_ours).then(|| AttestationError::Volume(name.to_owned()));
        assert_eq!(Attestor::of(&settings()).check_json(&pod).err(), expected, "{name}: {volume}");
    }
}

/// The index of the value of one of the gateway's arguments.
fn argument(pod: &Value, flag: &str) -> Option<usize> {
    let arguments = pod["spec"]["initContainers"][0]["args"].as_array()?;
    Some(arguments.iter().position(|argument| argument == flag)? + 1)
}

#[test]
fn a_gateway_must_verify_the_operators_signature_for_its_own_config_map() {
    let other = Seal::of(&[9; 32]).unwrap();
    let other_key = other.verifying().keys[0].to_string();
    let changed = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut pod = running(&case("plain"));
        change(pod["spec"]["initContainers"][0]["args"].as_array_mut().unwrap());
        pod
    };
    let without = |flag: &'static str| {
        changed(&move |arguments| {
            let at = arguments.iter().position(|argument| argument == flag).unwrap();
            arguments.drain(at..at + 2);
        })
    };
    let with = |flag: &str, value: &str| changed(&|arguments| arguments.extend([flag.into(), value.into()]));
    assert_eq!(gateway_pod(&without("--signed-by")).foreign, Some(AttestationError::Unsigned));
    assert_eq!(
        gateway_pod(&with("--signed-by", &other_key)).foreign,
        Some(AttestationError::OtherKey(other_key.clone())),
        "the key of the pod's author"
    );
    let nonsense = AttestationError::OtherKey("nonsense".to_owned());
    assert_eq!(gateway_pod(&with("--signed-by", "nonsense")).foreign, Some(nonsense));
    let elsewhere = AttestationError::Changed("the argument `--policy-name outrigger-rich`".to_owned());
    assert_eq!(gateway_pod(&with("--policy-name", "outrigger-rich")).foreign, Some(elsewhere));
    // Without a policy name, a gateway does not even start.
    assert_eq!(gateway_pod(&without("--policy-name")).foreign, None);

    let check_with = |seal: &Seal, pod: &Value| {
        let mut settings = settings();
        settings.verifying = VerifyingKeys::default();
        settings.verifying.set(seal.verifying());
        Attestor::of(&settings).check_json(pod).err()
    };
    // Pods with a previous key are accepted until that key is removed.
    let followed = Seal::with(&[9; 32], &[&[7; 32]], true).unwrap();
    let pod = running(&case("plain"));
    assert_eq!(check_with(&followed, &pod), None);
    assert!(matches!(check_with(&other, &pod), Some(AttestationError::OtherKey(_))));
    // Pods of an operator that did not sign stay accepted if the Secret is that old.
    let lenient = Seal::of(&[7; 32]).unwrap();
    let mut old = without("--signed-by");
    old["spec"]["volumes"][1]["projected"]["sources"][0]["configMap"]["items"].as_array_mut().unwrap().truncate(2);
    assert_eq!(check_with(&lenient, &old), None);
    assert_eq!(check_with(&Seal::with(&[7; 32], &[], true).unwrap(), &old), Some(AttestationError::Unsigned));
}

#[test]
fn no_other_dns_server_may_resolve_the_operator() {
    let searches = Some(AttestationError::Dns("dnsConfig.searches without dnsPolicy ClusterFirst"));
    let options = Some(AttestationError::Dns("dnsConfig.options"));
    for (spec, expected) in [
        (json!({"dnsPolicy": "Default"}), None),
        (json!({"dnsPolicy": "None"}), Some(AttestationError::Dns("dnsPolicy None"))),
        (json!({"dnsConfig": {"nameservers": ["10.0.0.1"]}}), Some(AttestationError::Dns("dnsConfig.nameservers"))),
        (json!({"dnsConfig": {"searches": ["corp.example"]}}), None),
        (json!({"dnsPolicy": "ClusterFirst", "dnsConfig": {"searches": ["corp.example"]}}), None),
        (json!({"dnsPolicy": "Default", "dnsConfig": {"searches": ["evil.example"]}}), searches),
        (
            json!({"hostNetwork": true, "dnsConfig": {"searches": ["evil.example"]}}),
            Some(AttestationError::HostNetwork),
        ),
        (json!({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}]}}), None),
        (json!({"dnsConfig": {"options": [{"name": "ndots", "value": "1\nnameserver 10.0.0.1"}]}}), options.clone()),
        (json!({"dnsConfig": {"options": [{"name": "x\nsearch evil.example"}]}}), options),
    ] {
        let mut pod = running(&case("plain"));
        json_patch::merge(&mut pod["spec"], &spec);
        assert_eq!(gateway_pod(&pod).foreign, expected, "{spec}");
    }
}

#[test]
fn variables_that_the_gateway_reads_must_be_unchanged() {
    let literal = |name: &str, value: &str| json!({"name": name, "value": value});
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let from_map = json!({"name": "POD_NAMESPACE", "valueFrom": {"configMapKeyRef": {"name": "mine", "key": "x"}}});
    // If a variable appears twice, the later one wins.
    for (is_fine, variable) in [
        (false, literal("POD_SERVICE_ACCOUNT", "rich")),
        (false, literal("POD_NAMESPACE", "")),
        (false, field("POD_SERVICE_ACCOUNT", "metadata.labels['account']")),
        (false, from_map),
        (true, field("POD_SERVICE_ACCOUNT", "spec.serviceAccountName")),
        (true, literal("OUTRIGGER_LOG", "debug")),
        (false, literal("OUTRIGGER_LOG", "h2=trace")),
        (false, literal("OUTRIGGER_NEW", "1")),
        (false, literal("LD_PRELOAD", "/tmp/x.so")),
        (false, literal("LD_AUDIT", "/tmp/x.so")),
        (false, literal("GLIBC_TUNABLES", "x")),
        (false, literal("LOCALDOMAIN", "evil.example")),
        // Variables that others add to every container: OpenShift and AKS, EKS, Datadog, OpenTelemetry.
        (true, literal("HTTPS_PROXY", "http://proxy.corp:3128")),
        (true, literal("KUBERNETES_SERVICE_HOST", "api.example")),
        (true, literal("SSL_CERT_FILE", "/etc/ssl/corp.pem")),
        (true, literal("AWS_ROLE_ARN", "arn:aws:iam::1:role/app")),
        (true, field("DD_AGENT_HOST", "status.hostIP")),
        (true, field("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "metadata.name")),
        (true, field("POD_IP", "status.podIP")),
    ] {
        let name = variable["name"].as_str().unwrap();
        let expected = (!is_fine).then(|| AttestationError::Changed(format!("the variable {name}")));
        assert_eq!(check_patched(add("/spec/initContainers/0/env/-", &variable)), expected, "{variable}");
    }
    let unseen = add("/spec/initContainers/0/envFrom", &json!([{"configMapRef": {"name": "mine"}}]));
    assert_eq!(check_patched(unseen), Some(AttestationError::Changed("envFrom".to_owned())));
    // In the order of injection. An older operator set no service account.
    let given = ["POD_NAME", "POD_NAMESPACE", "POD_UID", "POD_SERVICE_ACCOUNT", "NODE_NAME"];
    for (index, name) in given.into_iter().enumerate() {
        let taken = json!([{"op": "remove", "path": format!("/spec/initContainers/0/env/{index}")}]);
        let expected = (name != "POD_SERVICE_ACCOUNT").then_some(AttestationError::NoVariable(name));
        assert_eq!(check_patched(taken), expected, "{name}");
    }
}

/// The attestation checks all variables that the gateway reads, except those of libraries. If the gateway reads a new
/// one, attestation must decide who may set it.
#[test]
fn the_gateway_reads_no_other_variable() {
    let main = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sidecar/src/main.rs");
    let text = std::fs::read_to_string(main).unwrap();
    let mut read: Vec<&str> = ["env::var(\"", "variable(\""]
        .iter()
        .flat_map(|call| text.split(call).skip(1).filter_map(|rest| rest.split('"').next()))
        .collect();
    read.sort_unstable();
    // The host's name is used if POD_NAME is missing.
    assert_eq!(read, ["HOSTNAME", "OUTRIGGER_LOG", "POD_NAME", "POD_NAMESPACE", "POD_SERVICE_ACCOUNT"]);
    for folder in ["sidecar", "crates/sync", "crates/ledger", "crates/policy", "crates/llm"] {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src");
        let mut folders = vec![sources];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if !entry.ends_with("sidecar/src/main.rs") {
                    let text = std::fs::read_to_string(&entry).unwrap();
                    let reads =
                        ["env::var", "from_env()", "from_system()"].into_iter().find(|call| text.contains(call));
                    assert_eq!(reads, None, "{}", entry.display());
                }
            }
        }
    }
}

#[test]
fn newer_versions_and_configured_mirrors_are_accepted() {
    let gateway = |image: &str| json!([{"op": "replace", "path": "/spec/initContainers/0/image", "value": image}]);
    let too_old = |image: &str| Some(AttestationError::Version { image: image.to_owned(), least: "0.1.0".to_owned() });
    assert_eq!(check_patched(gateway("registry.example/outrigger-sidecar:0.9")), None);
    for image in [
        "registry.example/outrigger-sidecar:0.0.9",
        "registry.example/outrigger-sidecar:latest",
        "registry.example/outrigger-sidecar:0.9@sha256:00",
    ] {
        assert_eq!(check_patched(gateway(image)), too_old(image));
    }
    let mut pod = running(&case("plain"));
    let mut mirrored = |image: &str, trusted: &str| {
        pod["spec"]["initContainers"][0]["image"] = image.into();
        let mut settings = settings();
        assert!(Attestor::of(&settings).check_json(&pod).is_err(), "{image}");
        settings.trusted_images.push(trusted.to_owned());
        Attestor::of(&settings).check_json(&pod)
    };
    assert_eq!(mirrored("mirror.example/outrigger-sidecar:1", "mirror.example/outrigger-sidecar"), Ok(()));
    let pinned = "registry.example/outrigger-sidecar@sha256:00";
    assert_eq!(mirrored(pinned, pinned), Ok(()));
}

#[test]
fn a_gateway_with_more_privileges_gets_no_credentials() {
    let context = |field: &str, value: Value| {
        check_patched(add(&format!("/spec/initContainers/0/securityContext/{field}"), &value))
    };
    for (field, value, name) in [
        ("privileged", json!(true), "privileges"),
        ("allowPrivilegeEscalation", json!(true), "allowPrivilegeEscalation"),
        ("procMount", json!("Unmasked"), "a procMount"),
        ("capabilities", json!({"add": ["SYS_PTRACE"], "drop": ["ALL"]}), "the capability SYS_PTRACE"),
    ] {
        assert_eq!(context(field, value), Some(AttestationError::Changed(name.to_owned())), "{field}");
    }
    // Settings that a cluster's own policies choose are allowed.
    for (field, value) in [
        ("runAsUser", json!(1_000_700_000)),
        ("seLinuxOptions", json!({"level": "s0:c1,c2"})),
        ("seccompProfile", json!({"type": "Localhost", "localhostProfile": "x"})),
        ("procMount", json!("Default")),
        ("capabilities", json!({"drop": ["ALL"], "add": []})),
    ] {
        assert_eq!(context(field, value), None, "{field}");
    }
}

#[test]
fn containers_that_see_the_gateways_processes_are_not_allowed() {
    let debugger = |target: Value| {
        add("/spec/ephemeralContainers", &json!([{"name": "debug", "image": "x", "targetContainerName": target}]))
    };
    assert_eq!(check_patched(debugger("outrigger".into())), Some(AttestationError::Debugged("debug".to_owned())));
    assert_eq!(check_patched(debugger("app".into())), None);
    assert_eq!(check_patched(debugger(Value::Null)), None);
    assert_eq!(check_patched(add("/spec/hostNetwork", &true.into())), Some(AttestationError::HostNetwork));
    assert_eq!(check_patched(add("/spec/hostNetwork", &false.into())), None);
}
