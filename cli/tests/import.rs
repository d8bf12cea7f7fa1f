//! The exact output for configurations of other gateways, and the decisions of the imported policies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use outrigger_compile::{Inputs, Severity, compile, read, variable};
use outrigger_core::RequestType;
use outrigger_policy::{Draw, HealthyState, KeyIndex, Policy, Request, UnknownCostPolicy, decide};
use outrigger_sidecar::Query;
use outrigger_sidecar::pipeline::identify::identify;

/// The product, and the configuration in `tests/import/PRODUCT`. The expected output is in the folder of the same name.
const CONFIGURATIONS: [(&str, &str); 11] = [
    ("bifrost", "governance.json"),
    ("bifrost", "older.json"),
    ("bifrost", "version-1.json"),
    ("bifrost", "tutorial.json"),
    ("bifrost", "one-key.json"),
    ("bifrost", "hosts.json"),
    ("bifrost", "clouds.json"),
    ("litellm", "proxy.yaml"),
    ("litellm", "wildcards.yaml"),
    ("litellm", "hosts.yaml"),
    ("litellm", "clouds.yaml"),
];

/// Keys and passwords in the configurations.
const LITERALS: [&str; 14] = [
    "sk-same-literal-0001",
    "sk-bf-app-literal",
    "sk-master-literal-0001",
    "sk-ant-literal-0000000001",
    "sk-ant-literal-0000000002",
    "sk-bf-search-literal",
    "sk-bf-batch-literal",
    "sk-lf-literal-00001",
    "sk-1234",
    "not-for-objects-0001",
    "hunter22",
    "a-password-of-the-database",
    "a-password-of-redis-0001",
    "BIFROST_ENCRYPTION_KEY",
];

fn configurations() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn outrigger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
    command.env_clear();
    command
}

fn import(product: &str, file: &Path, more: &[&str]) -> Output {
    outrigger().args(["import", product]).arg(file).args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let file =
        |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap());
    entries.map(|entry| file(entry.unwrap().path())).collect()
}

/// Runs `outrigger check` on a folder, with a variable for every key that its objects reference.
fn check(folder: &Path) -> Output {
    let mut command = outrigger();
    for (name, text) in files(folder).into_iter().filter(|(name, _)| name.ends_with(".yaml")) {
        for object in read(&name, &text).objects {
            for credential in object.value["spec"]["credentials"].as_array().into_iter().flatten() {
                let at = &credential["secretRef"];
                command.env(variable(at["name"].as_str().unwrap(), at["key"].as_str().unwrap_or("apiKey")), "x");
            }
        }
    }
    command.arg("check").arg(folder).output().unwrap()
}

#[test]
fn imports_match_the_committed_output_and_pass_check() {
    for (product, file) in CONFIGURATIONS {
        let out = tempfile::tempdir().unwrap();
        let source = configurations().join(product).join(file);
        let output = import(product, &source, &["--out", out.path().to_str().unwrap()]);
        assert!(output.status.success() && output.stdout.is_empty(), "{file}: {}", text(&output.stderr));
        let written = files(out.path());
        let golden = source.with_extension("");
        if std::env::var_os("UPDATE").is_some() {
            let _ = fs::remove_dir_all(&golden);
            fs::create_dir_all(&golden).unwrap();
            written.iter().for_each(|(name, text)| fs::write(golden.join(name), text).unwrap());
        }
        let hint = "run `UPDATE=1 cargo test -p outrigger-cli --test import` and look";
        assert_eq!(written, files(&golden), "{file}: {hint}");
        assert!(text(&output.stderr).starts_with(&written["REPORT.md"]), "stderr has the report too");

        let checked = check(out.path());
        assert!(checked.status.success(), "{file}: {}", text(&checked.stdout));
        assert!(text(&checked.stdout).contains("0 errors"));
    }
}

#[test]
fn stdout_gets_the_same_objects() {
    let source = configurations().join("litellm/proxy.yaml");
    let golden = files(&source.with_extension(""));
    let names = ["providers.yaml", "budgets.yaml", "keys.yaml", "rules.yaml", "secrets.yaml"];
    let expected: Vec<&str> = names.iter().map(|name| golden[*name].as_str()).collect();
    assert_eq!(text(&import("litellm", &source, &[]).stdout), expected.join("---\n"));
    let output = import("litellm", &source, &["--namespace", "platform"]);
    for object in read("stdout", &text(&output.stdout)).objects {
        assert_eq!(object.namespace, "platform");
    }
    let output = import("litellm", &source, &["--namespace", "Not A Name"]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
}

#[test]
fn no_key_is_written_or_printed_unless_requested() {
    for (product, file) in CONFIGURATIONS {
        let source = configurations().join(product).join(file);
        let configuration = fs::read_to_string(&source).unwrap();
        let here: Vec<&str> = LITERALS.into_iter().filter(|key| configuration.contains(key)).collect();
        let printed = |output: &Output| format!("{}{}", text(&output.stdout), text(&output.stderr));
        let without = printed(&import(product, &source, &[]));
        for key in &here {
            assert!(!without.contains(key), "{file}: {key}");
        }

        let out = tempfile::tempdir().unwrap();
        let output = import(product, &source, &["--secrets", "--out", out.path().to_str().unwrap()]);
        let mut written = files(out.path());
        let secrets = written.remove("secrets.yaml").unwrap_or_default();
        for key in &here {
            assert!(!printed(&output).contains(key), "{file}: {key}");
            assert!(written.values().all(|text| !text.contains(key)), "{file}: {key}");
        }
        for key in here.iter().filter(|key| key.starts_with("sk-ant-")) {
            assert!(secrets.contains(key), "{file}: --secrets writes {key}");
            let mode = fs::metadata(out.path().join("secrets.yaml")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
            let checked = check(out.path());
            assert!(checked.status.success(), "{file}: {}", text(&checked.stdout));
        }
    }
}

#[test]
fn a_folder_is_overwritten_only_with_force() {
    let source = configurations().join("bifrost/version-1.json");
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("objects");
    let into = folder.to_str().unwrap();
    assert!(import("bifrost", &source, &["--out", into]).status.success());
    let first = files(&folder);

    fs::write(folder.join("rules.yaml"), "# of an earlier import\n").unwrap();
    fs::write(folder.join("mine.yaml"), "# not from an import\n").unwrap();
    let output = import("bifrost", &source, &["--out", into]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("already exists: choose another --out, or overwrite it with --force"));
    assert_eq!(files(&folder)["rules.yaml"], "# of an earlier import\n");

    assert!(import("bifrost", &source, &["--out", into, "--force"]).status.success());
    let mut again = files(&folder);
    assert_eq!(again.remove("mine.yaml").as_deref(), Some("# not from an import\n"));
    assert_eq!(again, first, "outdated rules would be served");
}

#[test]
fn an_unreadable_file_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for (product, content, words) in [
        ("bifrost", None, "can't read"),
        ("bifrost", Some("providers: {}"), "is no JSON"),
        ("bifrost", Some("[1]"), "has no configuration of Bifrost"),
        ("bifrost", Some("{\"a\": 1}"), "expected a mapping with `providers` or `governance`"),
        ("bifrost", Some("{\"providers\": {}, \"providers\": {}}"), "the key `providers` occurs twice"),
        ("litellm", Some("model_list: ["), "is no YAML"),
        ("litellm", Some("a: b"), "expected a mapping with `model_list`"),
    ] {
        let file = folder.path().join("config");
        let _ = fs::remove_file(&file);
        content.iter().for_each(|content| fs::write(&file, content).unwrap());
        let output = import(product, &file, &[]);
        assert_eq!(output.status.code(), Some(2), "{content:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

/// The policy of a committed folder.
fn policy(folder: &str) -> Policy {
    let mut objects = Vec::new();
    for (name, text) in files(&configurations().join(folder)).into_iter().filter(|(name, _)| name.ends_with(".yaml")) {
        objects.extend(read(&name, &text).objects);
    }
    let inputs = Inputs {
        objects: &objects,
        unread: false,
        environment: &|_| Some("x".to_owned()),
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: "outrigger-system",
    };
    let mut document = compile(&inputs).document;
    // Routing only. The report says that models without a price are refused under a budget.
    document.keys.iter_mut().for_each(|key| key.unpriced = UnknownCostPolicy::Allow);
    Policy::build(document).unwrap()
}

/// How often each candidate is first, and all candidates that come later.
fn tried(
    policy: &Policy,
    key: &str,
    model: &str,
    headers: &[(String, String)],
) -> (BTreeMap<String, u32>, BTreeSet<String>) {
    let key = policy.keys.position(|one| one.id.name == key).unwrap();
    let (mut first, mut after) = (BTreeMap::new(), BTreeSet::new());
    for draw in 0..10_000 {
        let request = Request {
            key,
            request_type: RequestType::ChatCompletion,
            model: Some(model),
            provider: None,
            fallbacks: None,
            credential: None,
            headers,
            params: &[],
            draw: Draw::Random(draw),
            stay: None,
            state: &HealthyState,
        };
        let decision = decide(policy, &request);
        let mut names = decision.eligible().map(|candidate| format!("{}/{}", candidate.name, candidate.upstream_model));
        if let Some(name) = names.next() {
            *first.entry(name).or_insert(0) += 1;
        }
        after.extend(names);
    }
    (first, after)
}

fn near(count: Option<&u32>, expected: u32) -> bool {
    count.copied().unwrap_or(0).abs_diff(expected) <= 200
}

#[test]
fn bifrost_keys_are_routed_as_before() {
    let policy = policy("bifrost/governance");
    let (first, _) = tried(&policy, "search-api", "gpt-4o", &[]);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["azure/gpt-4o"], "a rule of the file sends everything there");
    let (first, _) = tried(&policy, "search-api", "gpt-4o-mini", &[]);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["azure/gpt-4o-mini"], "not in openai's list");
    let premium = [("x-tier".to_owned(), "premium".to_owned())];
    let (first, after) = tried(&policy, "search-api", "gpt-4o", &premium);
    assert!(
        near(first.get("anthropic/claude-sonnet-4-5"), 9_000) && near(first.get("openai/gpt-4o"), 1_000),
        "{first:?}"
    );
    assert!(after.contains("openai/gpt-4o"), "{after:?}");
    for suspended in ["none", "zero", "search-api-2"] {
        assert!(
            policy.keys.iter().any(|key| key.id.name == suspended && key.suspended),
            "{suspended} is never left open"
        );
    }
}

#[test]
fn litellm_groups_are_routed_as_before() {
    let policy = policy("litellm/proxy");
    for name in ["gpt-4o", "gpt-4"] {
        let (first, after) = tried(&policy, "litellm", name, &[]);
        assert!(near(first.get("openai/gpt-4o"), 6_000) && near(first.get("openai-gpt-4o/gpt-4o"), 2_000), "{first:?}");
        assert!(near(first.get("azure/gpt-4o-eu"), 2_000), "{first:?}");
        assert!(after.contains("openrouter/openai/gpt-4o"), "deployments of a later order come later: {after:?}");
        assert!(
            after.contains("anthropic-claude/claude-sonnet-4-5") && after.contains("openai/gpt-4o-mini"),
            "{after:?}"
        );
    }
    for (name, upstream) in [("groq/llama-3.3-70b", "groq/llama-3.3-70b"), ("team/mistral-small", "team/mistral-small")]
    {
        let (first, _) = tried(&policy, "litellm", name, &[]);
        assert_eq!(first.keys().collect::<Vec<_>>(), [upstream]);
    }
    let (first, _) = tried(&policy, "litellm", "claude-of-tomorrow", &[]);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["anthropic/claude-of-tomorrow"], "by the wildcard claude-*");
    for unlisted in ["gpt-4-turbo", "anthropic/other", "openai/gpt-4-turbo"] {
        let (first, _) = tried(&policy, "litellm", unlisted, &[]);
        assert!(first.is_empty(), "models outside the list are not served: {first:?}");
    }
}

/// The first file of Bifrost's tutorials has empty lists of models. Since Bifrost 1.5 they allow nothing.
#[test]
fn the_tutorials_file_serves_everything_but_nothing_with_version_1_5() {
    let policy = policy("bifrost/tutorial");
    for (model, there) in [
        ("gpt-4o", "openai/gpt-4o"),
        ("anthropic/claude-haiku-4-5", "anthropic/claude-haiku-4-5"),
        ("gemini-2.5-flash", "gemini/gemini-2.5-flash"),
    ] {
        let (first, _) = tried(&policy, "default", model, &[]);
        assert_eq!(first.keys().collect::<Vec<_>>(), [there], "{model}");
    }
    let out = tempfile::tempdir().unwrap();
    let into = out.path().to_str().unwrap();
    let source = configurations().join("bifrost/tutorial.json");
    let output = import("bifrost", &source, &["--bifrost-version", "1.5", "--out", into]);
    let stderr = text(&output.stderr);
    let last = stderr.lines().last().unwrap();
    assert!(last.contains("WARNING: NOTHING CAN ANSWER") && last.contains("--bifrost-version 1.4"), "{last}");
    assert_eq!(output.status.code(), Some(1), "an import that can answer no request fails");
    let providers = &files(out.path())["providers.yaml"];
    assert_eq!(providers.matches("# SUSPENDED: credential").count(), 3, "{providers}");
    // `check` and `run` report the same.
    let checked = check(out.path());
    let checked = text(&checked.stdout);
    assert!(
        checked.contains("`outrigger run` will not start") && checked.contains("every credential is suspended"),
        "{checked}"
    );
    let mut run = outrigger();
    run.arg("run").arg(out.path()).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let run = run.env("OPENAI_API_KEY", "x").output().unwrap();
    let stderr = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("every credential is suspended") && stderr.contains("no provider can serve a request"),
        "{stderr}"
    );

    let output = import("bifrost", &source, &["--bifrost-version", "1.4", "--out", into, "--force"]);
    assert!(!text(&output.stderr).contains("WARNING"), "{}", text(&output.stderr));
    let output = import("bifrost", &source, &["--bifrost-version", "newest"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn an_import_without_a_provider_fails_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("config.json");
    fs::write(&source, r#"{"providers": {}, "governance": {"virtual_keys": []}}"#).unwrap();
    let out = folder.path().join("objects");
    let output = import("bifrost", &source, &["--out", out.to_str().unwrap()]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.lines().last().unwrap().contains("no provider could be imported"), "{stderr}");
    assert!(out.join("REPORT.md").is_file(), "the report is written");
}

/// The value of a Secret is sent to one vendor only.
#[test]
fn each_provider_has_its_own_secret() {
    for (folder, wanted) in [("bifrost/one-key", 4), ("litellm/wildcards", 7)] {
        let mut providers_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for object in read("providers.yaml", &files(&configurations().join(folder))["providers.yaml"]).objects {
            for credential in object.value["spec"]["credentials"].as_array().into_iter().flatten() {
                let secret = credential["secretRef"]["name"].as_str().unwrap().to_owned();
                providers_of.entry(secret).or_default().insert(object.name.clone());
            }
        }
        assert_eq!(providers_of.len(), wanted, "{providers_of:?}");
        for (secret, providers) in providers_of {
            let expected = if secret == "shared" { 2 } else { 1 };
            assert_eq!(providers.len(), expected, "{secret} is for {providers:?}: only a shared variable is shared");
        }
    }
}

/// Callers that had to send a key must still send one, even if there is only one key.
#[test]
fn requests_without_a_key_still_get_a_401() {
    for (folder, token) in [("bifrost/one-key", "sk-bf-app-literal"), ("litellm/wildcards", "sk-master-literal-0001")] {
        let policy = policy(folder);
        let identify_with = |token: Option<&str>| {
            let mut headers = http::HeaderMap::new();
            if let Some(token) = token {
                headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
            }
            identify(&policy, &headers, &Query::parse(""), None, 0)
                .map_err(|refusal| (refusal.status, refusal.kind.name()))
        };
        assert_eq!(identify_with(None), Err((401, "virtual_key_required")), "{folder}");
        assert_eq!(identify_with(Some("sk-anything")), Err((401, "virtual_key_required")), "{folder}");
        assert_eq!(identify_with(Some(token)), Ok(KeyIndex::from(0)), "{folder}");
    }
    // If no key was needed before, none is needed now.
    let policy = policy("bifrost/tutorial");
    assert!(identify(&policy, &http::HeaderMap::new(), &Query::parse(""), None, 0).is_ok());
}

#[test]
fn a_wildcard_of_litellm_passes_any_name() {
    let policy = policy("litellm/wildcards");
    for (model, there) in [
        ("unheard-of", Some("openai/unheard-of")),
        ("gpt-4o", Some("azure/gpt-4o")),
        ("gpt-9", Some("azure/gpt-9")),
        ("claude", Some("anthropic/claude-haiku-4-5")),
        ("claude-of-tomorrow", Some("openai/claude-of-tomorrow")),
        ("groq/unheard-of", Some("groq/unheard-of")),
        ("mistral-of-tomorrow", Some("mistral/mistral-of-tomorrow")),
        ("here", Some("openai-here/here")),
        ("openai/unheard-of", Some("openai/unheard-of")),
        ("azure/gpt-4o", Some("azure/gpt-4o")),
        ("mistral/other", None),
    ] {
        let (first, _) = tried(&policy, "litellm", model, &[]);
        assert_eq!(first.keys().next().map(String::as_str), there, "{model}: {first:?}");
    }
}
