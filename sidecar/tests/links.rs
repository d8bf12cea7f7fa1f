//! The sidecar depends on no Kubernetes client, no schema generator and no compiler of objects.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_sidecar_links_no_kubernetes() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args(["tree", "-p", "outrigger-sidecar", "-e", "normal", "--prefix", "none", "--format", "{p}", "--locked"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("outrigger-policy v"), "the list is not empty: {tree}");
    for kept_out in
        ["kube", "kube-core", "k8s-openapi", "schemars", "jsonschema", "outrigger-crds", "outrigger-compile", "reqwest"]
    {
        let linked = tree.lines().any(|line| line.split(' ').next() == Some(kept_out));
        assert!(!linked, "{kept_out} is linked into the sidecar");
    }
}
