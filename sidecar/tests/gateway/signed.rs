//! Mounted files with the operator's signature, and files from others.

use std::collections::BTreeMap;

use outrigger_policy::Document;
use outrigger_sidecar::config::files::{self, FilesError};
use outrigger_sync::{MountedAt, Signatures, SigningKey, Statement, Trust, hash};
use serde_json::{Value, json};

use crate::fake::{Fake, answer};
use crate::operator::{Authority, Operator, Pod, in_force, soon};
use crate::policies::{document, provider};
use crate::process::Process;

const VALUE: &str = "sk-mounted";
const CREDENTIAL: &str = "default_first-main_apiKey";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn place(namespace: &str, name: &str) -> MountedAt {
    MountedAt { namespace: namespace.to_owned(), name: name.to_owned() }
}

fn here() -> MountedAt {
    place("shop", "outrigger-search")
}

fn trust(seeds: &[u8]) -> Trust {
    Trust { keys: seeds.iter().map(|seed| key(*seed).public_key()).collect(), mount: here() }
}

/// The arguments of the sidecar in such a pod.
fn arguments(seed: u8) -> Vec<String> {
    ["--signed-by", &key(seed).public_key().to_string(), "--policy-name", "outrigger-search"]
        .map(str::to_owned)
        .to_vec()
}

impl Pod {
    fn text(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.policy().join(file)).unwrap_or_default()
    }

    /// Signs the mounted files for a place, as the operator does.
    fn sign(&self, by: &SigningKey, place: &MountedAt) {
        let signatures = Signatures {
            policy: vec![by.sign(&Statement::Policy(&hash(&self.text("policy.v1.json"))), place)],
            authorities: vec![by.sign(&Statement::Authorities(&hash(&self.text("ca.crt"))), place)],
        };
        self.write("policy/policy.v1.sig", &serde_json::to_string(&signatures).unwrap());
        let Ok(document) = Document::read(&self.text("policy.v1.json")) else { return };
        let signed: BTreeMap<String, Vec<String>> = (document.secrets())
            .map(|at| {
                let (file, goes) = (at.file_name(), document.destination(at));
                let value = self.text(&file);
                let signature = by.sign(&Statement::Credential { file: &file, goes: &goes, value: &value }, place);
                (file, vec![signature])
            })
            .collect();
        self.write("policy/credentials.v1.sig", &serde_json::to_string(&signed).unwrap());
    }
}

/// A pod with a policy, a credential and their signatures.
fn signed(document: &Document, authorities: &str) -> Pod {
    let pod = Pod::new(authorities);
    pod.write(&format!("policy/{CREDENTIAL}"), VALUE);
    pod.mount(document);
    pod.sign(&key(1), &here());
    pod
}

fn one(sequence: u64, url: &str) -> Document {
    document(sequence, vec![provider("first", url)])
}

fn refused(pod: &Pod, trust: &Trust) -> String {
    match files::read(&pod.policy(), Some(trust)) {
        Err(error @ FilesError::Unsigned { .. }) => error.to_string(),
        other => panic!("it is not refused: {other:?}"),
    }
}

#[test]
fn files_that_the_operator_signed_for_this_place_are_accepted() {
    let pod = signed(&one(1, "https://models.test/v1"), "PEM");
    for keys in [trust(&[1]), trust(&[2, 1])] {
        let read = files::read(&pod.policy(), Some(&keys)).unwrap().unwrap();
        assert!(read.signed && read.secrets.len() == 1);
    }
    // A gateway that is started by hand without a key accepts any files.
    let read = files::read(&pod.policy(), None).unwrap().unwrap();
    assert!(!read.signed && read.secrets.len() == 1);
}

#[test]
fn other_files_are_refused_with_an_explanation() {
    let pod = signed(&one(1, "https://models.test/v1"), "PEM");
    let message = refused(&pod, &trust(&[2]));
    for word in
        ["policy.v1.json", "namespace shop", "outrigger-search", "ConfigMaps or Secrets", "--show-managed-fields"]
    {
        assert!(message.contains(word), "{message}");
    }
    refused(&pod, &trust(&[]));
    for elsewhere in [place("shop", "outrigger-batch"), place("other", "outrigger-search"), place("", "")] {
        pod.sign(&key(1), &elsewhere);
        refused(&pod, &trust(&[1]));
    }
    pod.sign(&key(1), &here());
    let good = String::from_utf8(pod.text("policy.v1.sig")).unwrap();
    let swapped: Signatures = serde_json::from_str(&good).unwrap();
    let swapped = Signatures { policy: swapped.authorities, authorities: swapped.policy };
    for wrong in
        [String::new(), "{}".to_owned(), "[]".to_owned(), "\u{0}".to_owned(), serde_json::to_string(&swapped).unwrap()]
    {
        pod.write("policy/policy.v1.sig", &wrong);
        refused(&pod, &trust(&[1]));
    }
    std::fs::remove_file(pod.policy().join("policy.v1.sig")).unwrap();
    assert!(refused(&pod, &trust(&[1])).contains("policy.v1.sig is missing in its folder"));
    // Every byte counts.
    pod.write("policy/policy.v1.sig", &good);
    let document = pod.text("policy.v1.json");
    for at in 0..document.len() {
        let mut changed = document.clone();
        changed[at] ^= 1;
        std::fs::write(pod.policy().join("policy.v1.json"), &changed).unwrap();
        refused(&pod, &trust(&[1]));
    }
}

#[test]
fn a_value_is_bound_to_its_endpoint_and_cannot_be_replaced() {
    let found = |pod: &Pod| files::read(&pod.policy(), Some(&trust(&[1]))).unwrap().unwrap().secrets.len();
    let pod = signed(&one(1, "https://models.test/v1"), "PEM");
    assert_eq!(found(&pod), 1);
    pod.write(&format!("policy/{CREDENTIAL}"), "sk-invented");
    assert_eq!(found(&pod), 0);
    pod.write(&format!("policy/{CREDENTIAL}"), VALUE);
    assert_eq!(found(&pod), 1);
    // An older policy, which the operator signed too, cannot send the value to its former endpoint.
    let signatures = String::from_utf8(pod.text("credentials.v1.sig")).unwrap();
    pod.mount(&one(2, "https://before.test/v1"));
    pod.sign(&key(1), &here());
    assert_eq!(found(&pod), 1);
    pod.write("policy/credentials.v1.sig", &signatures);
    assert_eq!(found(&pod), 0);
    for wrong in ["", "{}", "[1]"] {
        pod.write("policy/credentials.v1.sig", wrong);
        assert_eq!(found(&pod), 0, "{wrong}");
    }
}

/// The author of an unsigned document cannot make the gateway read other files.
#[test]
fn names_in_a_document_cannot_lead_to_other_files() {
    let pod = Pod::new("PEM");
    std::fs::create_dir_all(pod.state().join("held")).unwrap();
    pod.write("state/held/policy.v1", "sk-held");
    let written = serde_json::to_value(one(1, "https://evil.test/v1")).unwrap();
    for (namespace, name, key) in [
        ("/lib/x86", "64-linux-gnu/../x86", "64-linux-gnu/../../var/run/outrigger/state/held/policy.v1"),
        ("..", "..", "../state/held/policy.v1"),
        ("default", "first-main", "../../state/held/policy.v1"),
        ("default", "first-main", "a/../../../token"),
        ("default", "first-main", "a\u{0}b"),
        ("default", "../token", "x"),
        ("default", "first\u{2215}main", "x"),
        ("default", "first-main", "%2e%2e%2ftoken"),
    ] {
        let mut written = written.clone();
        written["providers"][0]["credentials"][0]["secret"] = json!({"namespace": namespace, "name": name, "key": key});
        pod.write("policy/policy.v1.json", &written.to_string());
        let message = files::read(&pod.policy(), None).unwrap_err().to_string();
        assert!(message.contains("LLMProvider default/first") && message.contains("is no"), "{message}");
    }
    // Neither can a link.
    std::os::unix::fs::symlink(pod.at("token"), pod.policy().join(CREDENTIAL)).unwrap();
    pod.mount(&one(1, "https://evil.test/v1"));
    assert!(files::read(&pod.policy(), None).unwrap_err().to_string().contains("is a link out of its folder"));
}

async fn rejected(process: &Process) -> Value {
    soon("a rejection", async {
        loop {
            let ready = process.admin("readyz").await;
            if !ready["rejected"].is_null() {
                return ready;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_changed_config_map_neither_redirects_nor_replaces_a_credential() {
    let (upstream, evil) = (Fake::always(answer("hi")).await, Fake::always(answer("thanks")).await);
    let pod = signed(&one(1, &upstream.url), "");
    let mut process = Process::with(&pod, None, &arguments(1)).await;
    process.until("started").await;
    assert_eq!(process.chats().await, 200);
    // A user with write access to ConfigMaps changes the endpoint and keeps the old signature.
    pod.mount(&one(2, &evil.url));
    let ready = rejected(&process).await;
    assert_eq!(ready["rejected"]["object"], "policy");
    let message = ready["rejected"]["message"].as_str().unwrap();
    assert!(
        message.contains("is not the file that the operator wrote") && message.contains("namespace shop"),
        "{message}"
    );
    assert_eq!((process.chats().await, evil.asked().len()), (200, 0));
    // The operator writes the ConfigMap again.
    pod.mount(&one(3, &upstream.url));
    pod.sign(&key(1), &here());
    soon("it is in force", async { while !process.is_in_force(3).await {} }).await;
    assert!(process.admin("readyz").await["rejected"].is_null());
    assert_eq!(process.chats().await, 200);
    process.child.kill().await.unwrap();
    // A restarted process has only the mounted files, and refuses a policy that is not the operator's.
    pod.mount(&one(4, &evil.url));
    let process = Process::with(&pod, None, &arguments(1)).await;
    rejected(&process).await;
    assert_eq!((process.chats().await, evil.asked().len()), (503, 0));
    let known: Vec<_> =
        upstream.asked().iter().map(|asked| asked.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(known, [format!("Bearer {VALUE}").as_str(); 3]);
}

#[tokio::test]
async fn the_authorities_must_be_signed_by_the_operator() {
    let (authority, forged) = (Authority::new(), Authority::new());
    let (mut operator, mut evil) = (Operator::new(&authority).await, Operator::new(&forged).await);
    let upstream = Fake::always(answer("hi")).await;
    let pod = signed(&one(1, &upstream.url), &authority.pem);
    // With foreign authorities, a foreign operator would be trusted and would get the pod's token.
    pod.write("policy/ca.crt", &forged.pem);
    let process = Process::with(&pod, Some(&evil.url()), &arguments(1)).await;
    soon("why there is no stream", async {
        loop {
            let ready = process.admin("readyz").await;
            let problem = ready["operator"]["problem"].as_str().unwrap_or_default().to_owned();
            if problem.contains("ca.crt is not the file that the operator wrote") {
                break;
            }
        }
    })
    .await;
    assert!(evil.try_stream().is_none(), "no gateway has connected");
    drop(process);
    pod.write("policy/ca.crt", &authority.pem);
    let process = Process::with(&pod, Some(&operator.url()), &arguments(1)).await;
    let (mut stream, hello) = operator.stream().await;
    assert_eq!(hello.authorities.len(), 1);
    in_force(2, &stream.push(&one(2, &upstream.url), &[("first-main", "sk-streamed")]).await);
    assert_eq!(process.chats().await, 200);
}

#[tokio::test]
async fn a_key_without_its_place_is_an_error() {
    let pod = Pod::new("");
    let mut command = crate::process::binary();
    command.arg("--policy").arg(pod.policy()).args(["--signed-by", &key(1).public_key().to_string()]);
    let output = soon("its end", command.output()).await.unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && message.contains("--signed-by needs --policy-name"), "{message}");
    let mut command = crate::process::binary();
    command.arg("--policy").arg(pod.policy()).args(["--signed-by", "nonsense"]);
    let output = soon("its end", command.output()).await.unwrap();
    assert!(!output.status.success() && String::from_utf8(output.stderr).unwrap().contains("no Ed25519 public key"));
}
