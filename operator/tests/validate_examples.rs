//! No object of an example is refused, in any order of application.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fs;
use std::path::{Path, PathBuf};

use http::StatusCode;
use outrigger_compile::read;
use outrigger_operator::admission::objects::{ReviewOutcome, answer};
use outrigger_operator::objects::id::ObjectKind;
use outrigger_operator::state::index::ObjectIndex;
use serde_json::{Value, json};

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, all),
            false if path.extension().is_some_and(|kind| kind == "yaml") => all.push(path),
            false => {}
        }
    }
}

fn objects(example: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    files(example, &mut all);
    let mut objects = Vec::new();
    for file in all {
        for object in read(&file.display().to_string(), &fs::read_to_string(&file).unwrap()).objects {
            let mut value = object.value;
            value["metadata"]["namespace"] = json!(object.namespace);
            objects.push(value);
        }
    }
    objects
}

fn judged(object: &Value, index: &ObjectIndex) -> (ReviewOutcome, Value) {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE",
            "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"],
            "kind": {"group": "outrigger.dev", "version": "v1alpha1", "kind": object["kind"]},
            "object": object,
        },
    });
    let mut judged = None;
    let (code, body) = answer(review.to_string().as_bytes(), || index.clone(), |review| judged = Some(review));
    assert_eq!(code, StatusCode::OK);
    (judged.unwrap(), serde_json::from_slice(&body).unwrap())
}

#[test]
fn examples_can_be_applied_in_any_order() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let example = entry.unwrap().path();
        if !example.is_dir() {
            continue;
        }
        let objects = objects(&example);
        // Each as the first, each as the last, and each after only those before it in the file.
        let (mut all, mut some) =
            (ObjectIndex::new("outrigger-system", false), ObjectIndex::new("outrigger-system", false));
        objects.iter().for_each(|object| drop(all.apply(object)));
        for object in objects.iter().filter(|object| ObjectKind::named(object["kind"].as_str().unwrap()).is_some()) {
            for index in [&ObjectIndex::new("outrigger-system", false), &all, &some] {
                let (judged, answer) = judged(object, index);
                assert!(!matches!(judged, ReviewOutcome::Refused(_)), "{}: {answer}", example.display());
                count += 1;
            }
            drop(some.apply(object));
        }
    }
    assert!(count > 30, "{count}");
}
