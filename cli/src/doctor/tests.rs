//! Clusters in `tests/doctor/*.yaml` with the expected reports beside them, which `UPDATE=1` writes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::kubectl::Listing;

const NOW: &str = "2026-11-25T12:00:00Z";

/// A list, or the error text of a query that failed.
fn answer(cluster: &Value, name: &str) -> Listing {
    match cluster.get(name) {
        Some(Value::String(why)) => Err(why.clone()),
        Some(Value::Array(objects)) => Ok(objects.clone()),
        _ => Ok(Vec::new()),
    }
}

fn state(cluster: &Value) -> ClusterState {
    ClusterState {
        namespace: cluster.get("namespace").and_then(Value::as_str).map(str::to_owned),
        operators: answer(cluster, "operators"),
        leases: answer(cluster, "leases"),
        webhooks: answer(cluster, "webhooks"),
        objects: answer(cluster, "objects"),
        namespaces: answer(cluster, "namespaces"),
        gateways: answer(cluster, "gateways"),
        bare: answer(cluster, "bare"),
        policies: answer(cluster, "policies"),
        deployments: answer(cluster, "deployments"),
    }
}

fn golden(name: &str) -> bool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor");
    let cluster: Value =
        serde_yaml::from_str(&fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap()).unwrap();
    let lines = check(&state(&cluster), NOW.parse().unwrap());
    let text = report(&lines, Style { colour: false });
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(file).unwrap_or_default(), "{name}: UPDATE=1 writes it");
    lines.iter().any(|line| line.level == LineLevel::Wrong)
}

#[test]
fn a_healthy_cluster() {
    assert!(!golden("well"));
}

#[test]
fn a_cluster_with_many_problems() {
    assert!(golden("ill"));
}

#[test]
fn a_cluster_without_an_operator() {
    assert!(golden("absent"));
}

#[test]
fn a_user_with_rights_in_one_namespace() {
    assert!(!golden("narrow"));
}

#[test]
fn two_operators_and_one_without_a_leader() {
    assert!(golden("two"));
}

#[test]
fn malformed_output_causes_no_panic() {
    for odd in [
        Value::Null,
        serde_json::json!([]),
        serde_json::json!("x"),
        serde_json::json!({"metadata": 3, "status": {"conditions": [1]}}),
    ] {
        let all = serde_json::json!({
            "operators": [odd], "leases": [odd], "webhooks": [odd], "objects": [odd], "namespaces": [odd],
            "gateways": [odd], "bare": [odd], "policies": [odd],
        });
        assert!(!check(&state(&all), NOW.parse().unwrap()).is_empty());
    }
}
