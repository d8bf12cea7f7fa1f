//! The objects of `tests/budget/cluster.yaml` with the expected output beside them, which `UPDATE=1` writes; and actions
//! against a kubectl that is a script.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::kubectl::tests::scripted;

const PLAIN: Style = Style { colour: false };

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/budget")
}

fn cluster_objects() -> Vec<ObjectWithLimits> {
    let list: Value = serde_yaml::from_str(&fs::read_to_string(folder().join("cluster.yaml")).unwrap()).unwrap();
    list.as_array().unwrap().iter().filter_map(ObjectWithLimits::of).collect()
}

fn golden(name: &str, text: &str) {
    let file = folder().join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(file).unwrap_or_default(), "{name}: UPDATE=1 writes it");
}

fn shown(objects: &[ObjectWithLimits], name: Option<&str>, width: Option<usize>) -> String {
    let all = (0..objects.len()).collect();
    let shown = name.map_or(all, |name| find::family(objects, &ObjectName::parse(name).unwrap(), &Place::All).unwrap());
    report(objects, &shown, &Place::All, PLAIN, width)
}

#[test]
fn the_tree_of_a_cluster() {
    let objects = cluster_objects();
    golden("all.txt", &shown(&objects, None, None));
    golden("team.txt", &shown(&objects, Some("budget/team"), None));
    let all: Vec<usize> = (0..objects.len()).collect();
    golden("all.json", &objects::json(&objects, &all).unwrap());
}

#[test]
fn a_narrow_terminal_has_smaller_bars_and_shorter_names() {
    let objects = cluster_objects();
    let table = |width| {
        let text = shown(&objects, None, Some(width));
        text.split("\n\n").next().unwrap().to_owned()
    };
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap();
    let whole = widest(&table(1_000));
    for width in [whole, whole - 1, whole - 11, whole - 25] {
        assert!(widest(&table(width)) <= width, "{width}:\n{}", table(width));
    }
    golden("narrow.txt", &table(whole - 25));
    // Not narrower than possible, and without a panic.
    assert!(table(1).contains('…'));
}

#[test]
fn colours_change_no_character() {
    let objects = cluster_objects();
    let all: Vec<usize> = (0..objects.len()).collect();
    let rows = tree::rows(&objects, &all);
    let coloured = text::text(&objects, &rows, Style { colour: true }, None);
    assert!(coloured.contains("\u{1b}[31m["), "a limit that is used up is red");
    let mut plain = coloured;
    while let Some(from) = plain.find('\u{1b}') {
        let end = from + plain[from..].find('m').unwrap();
        plain.replace_range(from..=end, "");
    }
    assert_eq!(plain, text::text(&objects, &rows, PLAIN, None));
}

#[test]
fn nothing_to_show_says_where_it_looked() {
    let text = report(&[], &[], &Place::Namespace("shop".to_owned()), PLAIN, None);
    assert_eq!(text, "no Budget, VirtualKey or LLMProvider with limits in namespace shop\n");
}

#[test]
fn malformed_objects_cause_no_panic() {
    for odd in [
        json!(null),
        json!([]),
        json!({"kind": "Budget"}),
        json!({"kind": "Budget", "metadata": 3, "spec": {"amount": 5}, "status": "x"}),
        json!({"kind": "VirtualKey", "metadata": {"name": "a\u{1b}[2J"}, "spec": {"limits": [], "providers": {}}}),
        json!({"kind": "VirtualKey", "metadata": {"name": "a"}, "spec": {"budgetRefs": 5}}),
        json!({"kind": "LLMProvider", "spec": {"limits": {"tokens": [{"name": "a", "max": -1, "window": "Never"}]}}}),
    ] {
        let objects: Vec<ObjectWithLimits> = ObjectWithLimits::of(&odd).into_iter().collect();
        let text = shown(&objects, None, Some(20));
        assert!(!text.is_empty() && !text.contains('\u{1b}'), "{odd}: {text}");
    }
}

#[test]
fn budgets_in_a_circle_are_all_shown() {
    let budget = |name: &str, parent: &str| {
        json!({
            "kind": "Budget", "metadata": {"namespace": "shop", "name": name},
            "spec": {"amount": "1", "window": "Day", "parentRef": {"name": parent}},
        })
    };
    let list = [budget("a", "b"), budget("b", "a"), budget("self", "self")];
    let objects: Vec<ObjectWithLimits> = list.iter().filter_map(ObjectWithLimits::of).collect();
    for name in [None, Some("a")] {
        let text = shown(&objects, name, None);
        assert!(text.contains("Budget shop/a") && text.contains("Budget shop/b"), "{text}");
    }
}

#[test]
fn names_are_found_or_a_similar_one_is_suggested() {
    let objects = cluster_objects();
    let place = Place::Namespace("shop".to_owned());
    let find = |name: &str| find::one(&objects, &ObjectName::parse(name).unwrap(), &place);
    assert_eq!(find("vkey/search").unwrap().id.to_string(), "shop/search");
    assert_eq!(find("Budget/acme/company").unwrap().id.to_string(), "acme/company");
    assert_eq!(find("acme/company").unwrap().id.name, "company");
    for (name, error) in [
        (
            "tema",
            "there is no Budget, VirtualKey or LLMProvider `tema` in namespace shop; did you mean Budget shop/team?",
        ),
        ("vkey/zzz", "there is no VirtualKey `zzz` in namespace shop"),
        (
            "openai",
            "Budget, VirtualKey or LLMProvider `openai` is the name of several objects: write Budget/shop/openai, LLMProvider/shop/openai",
        ),
    ] {
        assert_eq!(find(name).unwrap_err().to_string(), error);
    }
    let limit = |object: &str, name| find::limit(find(object).unwrap(), name).map(|limit| limit.name.clone());
    assert_eq!(limit("team", None).unwrap(), "spec.amount");
    assert_eq!(limit("search", Some("budgets[day]")).unwrap(), "spec.limits.budgets[day]");
    for (object, name, error) in [
        ("search", None, "VirtualKey shop/search has several limits: say which one with --limit, such as "),
        ("search", Some("day"), "VirtualKey shop/search has several limits: say which one with --limit, such as "),
        ("search", Some("moth"), "VirtualKey shop/search has no limit `moth`: it has "),
        ("search", Some("burst"), "each gateway counts spec.limits.requests[burst] for itself"),
        ("free", None, "VirtualKey shop/free has no limit"),
    ] {
        let shown = limit(object, name).unwrap_err().to_string();
        assert!(shown.starts_with(error), "{shown}");
    }
}

/// A cluster of one Budget, in a file that the script changes.
fn acting(folder: &Path, annotate: &str, budget: &Value) -> Kubectl {
    let (file, calls) = (folder.join("budget.json"), folder.join("calls"));
    fs::write(&file, budget.to_string()).unwrap();
    let (file, calls) = (file.display(), calls.display());
    let script = format!(
        "printf '%s\\n' \"$*\" >> '{calls}'\ncase \"$*\" in\n*annotate*) {annotate};;\n*budgets.outrigger.dev,*) printf \
         '{{\"items\":['; cat '{file}'; printf ']}}';;\n*) cat '{file}';;\nesac\n"
    );
    scripted(folder, &script)
}

fn budget(annotation: Option<&str>, actions: &[Value]) -> Value {
    json!({
        "kind": "Budget",
        "metadata": {
            "namespace": "shop", "name": "team", "resourceVersion": "7",
            "annotations": annotation.map(|text| json!({"outrigger.dev/ledger-action": text})),
        },
        "spec": {"amount": "100", "window": "Month"},
        "status": {"actions": actions},
    })
}

fn raise() -> ActionRequest {
    ActionRequest {
        verb: "raise",
        object: ObjectName::parse("team").unwrap(),
        limit: None,
        amount: Some("$50".to_owned()),
        until: Some("2026-12-01T00:00:00Z".parse().unwrap()),
        reason: "launch".to_owned(),
    }
}

/// Puts a status into the file when the object is annotated, as the operator does.
fn executes(folder: &Path, entry: &Value) -> String {
    fs::write(folder.join("after.json"), budget(None, std::slice::from_ref(entry)).to_string()).unwrap();
    let folder = folder.display();
    format!("cp '{folder}/after.json' '{folder}/budget.json'; echo '{{}}'")
}

#[tokio::test]
async fn an_action_is_asked_for_and_its_outcome_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let entry = json!({
        "id": "x", "verb": "Raise", "limit": "spec.amount", "by": "anna", "at": "2026-11-30T12:00:01Z", "amount": "$50.00",
        "until": "2026-12-01T00:00:00Z", "reason": "launch", "result": "Done",
    });
    let kubectl = acting(folder.path(), &executes(folder.path(), &entry), &budget(None, &[]));
    let done = action::act(&kubectl, &Place::Namespace("shop".to_owned()), &raise(), "x", 60).await.unwrap();
    assert!(!done.is_refused());
    assert_eq!(
        done.text(),
        "Budget shop/team spec.amount: the limit is higher by $50.00 until 2026-12-01T00:00:00Z\n  action x at \
         2026-11-30T12:00:01Z, asked for by anna: launch\n"
    );
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let call = calls.lines().find(|line| line.contains("annotate")).unwrap();
    assert!(
        call.contains("annotate budgets.outrigger.dev/team --namespace=shop --overwrite --resource-version=7"),
        "{call}"
    );
    let text = call.split_once("outrigger.dev/ledger-action=").unwrap().1.strip_suffix(" -o json").unwrap();
    let expected = json!({
        "id": "x", "verb": "raise", "limit": "spec.amount", "amount": "$50", "until": "2026-12-01T00:00:00Z",
        "reason": "launch",
    });
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let entry = json!({"id": "x", "result": "Refused", "message": "write such as $50", "at": "2026-11-30T12:00:01Z"});
    let kubectl = acting(folder.path(), &executes(folder.path(), &entry), &budget(None, &[]));
    let done = action::act(&kubectl, &Place::Current, &raise(), "x", 60).await.unwrap();
    assert!(done.is_refused());
    assert!(done.text().starts_with("Budget shop/team: refused: write such as $50\n"), "{}", done.text());
}

#[tokio::test]
async fn an_action_that_waits_is_not_overwritten() {
    let asked = r#"{"id": "a-1", "verb": "reset"}"#;
    let folder = tempfile::tempdir().unwrap();
    let kubectl = acting(folder.path(), "exit 1", &budget(Some(asked), &[]));
    let error = action::act(&kubectl, &Place::Current, &raise(), "x", 1).await.unwrap_err().to_string();
    assert!(
        error.contains("(a-1)") && error.contains("kubectl annotate budgets.outrigger.dev/team --namespace shop"),
        "{error}"
    );
    // One that was executed is.
    let done = json!({"id": "a-1", "result": "Done"});
    let kubectl = acting(folder.path(), "echo Forbidden >&2; exit 1", &budget(Some(asked), &[done]));
    let error = action::act(&kubectl, &Place::Current, &raise(), "x", 1).await.unwrap_err().to_string();
    assert_eq!(error, "Budget shop/team cannot be annotated: Forbidden");
}

#[tokio::test]
async fn conflicts_and_waiting_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let conflict = "echo 'Error from server (Conflict): the object has been modified' >&2; exit 1";
    let kubectl = acting(folder.path(), conflict, &budget(None, &[]));
    let error = action::act(&kubectl, &Place::Current, &raise(), "x", 1).await.unwrap_err().to_string();
    assert_eq!(error, "Budget shop/team changes too often to be annotated: try again");
    let kubectl = acting(folder.path(), "echo '{}'", &budget(None, &[]));
    let error = action::act(&kubectl, &Place::Current, &raise(), "x", 0).await.unwrap_err().to_string();
    assert!(error.starts_with("the operator has not executed action x within 0 s"), "{error}");
}

#[tokio::test]
async fn budgets_of_other_namespaces_are_read_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let key = json!({
        "kind": "VirtualKey", "metadata": {"namespace": "shop", "name": "search"},
        "spec": {"budgetRefs": [{"name": "company", "namespace": "acme"}, {"name": "secret", "namespace": "other"}]},
    });
    let company = json!({
        "kind": "Budget", "metadata": {"namespace": "acme", "name": "company"}, "spec": {"amount": "9", "window": "Month"},
    });
    let script = format!(
        "case \"$*\" in *acme*) echo '{company}';; *other*) echo 'Forbidden' >&2; exit 1;; *) echo '{{\"items\":[{key}]}}';; esac"
    );
    let objects = cluster::read(&scripted(folder.path(), &script), &Place::Current).await.unwrap();
    let text = shown(&objects, None, None);
    assert!(text.contains("\n  Budget acme/company ") && text.contains("    VirtualKey shop/search"), "{text}");
    assert!(text.ends_with("Budget other/secret: it cannot be read: Forbidden\n"), "{text}");
}
