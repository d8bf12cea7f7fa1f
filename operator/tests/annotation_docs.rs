//! `docs/annotations.md` is written from the tables in `operator/src/inject` and `crates/llm/src/capture.rs`.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_llm::capture::{CAPTURES, PLACEHOLDER};
use outrigger_operator::inject::InjectionReason;
use outrigger_operator::inject::annotations::{NAMESPACE_LABELS, PREFIX, TABLE, WRITTEN};

const HEAD: &str = "\
# Annotations and labels

Written from the tables in `operator/src/inject/` and `crates/llm/src/capture.rs`; `make docs` writes it anew. Not edited by hand.

A pod is given a gateway when it is created. So turning it on or off, or changing one of these, is a rollout: `kubectl rollout
restart deployment/NAME` where nothing else makes new pods.

```yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: search
  annotations:
    outrigger.dev/inject: \"true\"          # on the Deployment itself, or on its template
    outrigger.dev/virtual-key: search
```

What a pod (its template) says outranks what its workload says, and that what its namespace says. A workload is a Deployment,
StatefulSet, DaemonSet, CronJob or Job; its own words are stamped on its template as `outrigger.dev/workload`, and go from there
when they go. A Job's are stamped once, when it is created.

An `outrigger.dev/` annotation that there is not, or a value that none can have, is refused where it is written, with what would be
allowed. On a namespace it is another matter, since a slip there would keep all its pods away: a value counts only for pods that nothing
better is said for, and an annotation that there is not is told as a warning.

## What can be asked

";

const CAPTURE: &str = "
## Variables

What the containers of the application find, so that their SDKs ask the gateway. The address is that of `outrigger.dev/port`.

- The URL and the placeholder go together or not at all, and only where the container has none of the API's variables: one that has
  its own key or URL is left as it is, and the pod says so in `outrigger.dev/injected`.
- A container with `envFrom` gets the URLs; what comes from there is not seen, and a placeholder would hide a key. So it gets
  placeholders only for what `outrigger.dev/capture` names.
- They stand in front of the container's own, which may refer to them.
- `outrigger run -- CMD` sets the same.

";

const GATEWAY: &str = "
## The gateway in the pod

- A native sidecar: the init container `outrigger`, with `restartPolicy: Always`. It starts before the application and ends after
  it, in Jobs too. It stands behind Istio's and Linkerd's containers, else first; containers of other injectors are left alone.
- It is ready when it answers the application; whether providers or the operator are there does not matter. It has started when a
  policy was served once, or after 30 seconds, and then answers 503 `no_policy`.
- Fit for Pod Security's *restricted*. No other container mounts its volumes. The pod's own fields stay as they are, but for
  `volumes`, and for `imagePullSecrets` where the chart names some for the sidecar's image: a Secret of that name must be in the
  pod's namespace.
- 10m of CPU and 16Mi of memory are requested, and 64Mi is the limit. In a pod whose containers are all Guaranteed it is too, with
  100m. In a pod that has `resources` as a whole it has none of its own unless annotations say so. Where a quota wants a CPU limit:
  `outrigger.dev/cpu: 10m/500m`.
- Another injector may come after it: on a second pass what works stays as it is.

## Why a pod carries none

What an annotation asks for and can't be is *refused*; what the namespace's label asks for and can't be is *skipped*: the pod runs without a
gateway, and says why in `outrigger.dev/injected`. The reason is seen in the answer of the API server, in an Event of the pod's owner and
in metrics.

";

fn document() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("| annotation | on | default | means |\n|---|---|---|---|\n");
    for row in TABLE {
        let places: Vec<&str> = row.places.iter().map(|place| place.word()).collect();
        writeln!(text, "| `{PREFIX}{}` | {} | {} | {} |", row.word, places.join(", "), row.default, row.means).unwrap();
    }
    text.push_str("\n| label of namespaces | means |\n|---|---|\n");
    for (name, means) in NAMESPACE_LABELS {
        writeln!(text, "| `{name}` | {means} |").unwrap();
    }
    text.push_str("\n## What is written\n\n| name | is | means |\n|---|---|---|\n");
    for (name, what, means) in WRITTEN {
        let what = what.trim_start_matches("an ").trim_start_matches("a ");
        writeln!(text, "| `{name}` | {what} | {means} |").unwrap();
    }
    text.push_str(CAPTURE);
    writeln!(
        text,
        "| capture | URLs | placeholder (`{PLACEHOLDER}`) | left alone too where it finds | |\n|---|---|---|---|---|"
    )
    .unwrap();
    for capture in CAPTURES {
        let urls: Vec<String> =
            capture.urls_at("127.0.0.1:4180").map(|(name, url)| format!("`{name}={url}`")).collect();
        let others: Vec<String> = capture.others.iter().map(|name| format!("`{name}`")).collect();
        let note = match (capture.usual, capture.answered) {
            (true, _) => "by default",
            (false, true) => "",
            (false, false) => "not answered by the gateway yet",
        };
        let row = [capture.name, &urls.join(" "), &format!("`{}`", capture.key), &others.join(", "), note].join(" | ");
        writeln!(text, "| {row} |").unwrap();
    }
    text.push_str(GATEWAY);
    text.push_str("| reason | means |\n|---|---|\n");
    for reason in InjectionReason::ALL {
        writeln!(text, "| `{reason}` | {} |", reason.means()).unwrap();
    }
    text.replace("|  |", "| |")
}

#[test]
fn annotations() {
    let text = document();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/annotations.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/annotations.md is stale: run `UPDATE=1 cargo test -p outrigger-operator --test annotation_docs`"
    );
}
