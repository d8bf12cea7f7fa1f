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

Read this page if you want pods to have a gateway, or want to know why a pod has none. Generated
from the tables in `operator/src/inject/` and `crates/llm/src/capture.rs` by `make docs`; do not
edit it by hand.

- [What can be asked](#what-can-be-asked)
- [What is written](#what-is-written)
- [Variables](#variables)
- [The gateway in the pod](#the-gateway-in-the-pod)
- [Why a pod has none](#why-a-pod-has-none)

A pod gets a gateway when it is created. So to turn it on or off, or to change one of these
annotations, roll the workload out again: `kubectl rollout restart deployment/NAME` if nothing else
makes new pods.

```yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: search
  annotations:
    outrigger.dev/inject: \"true\"          # on the Deployment itself, or on its template
    outrigger.dev/virtual-key: search
```

The annotations of a pod (of its template) win over those of its workload, and those of the workload
over those of its namespace. A workload is a Deployment, StatefulSet, DaemonSet, CronJob or Job. Its
annotations are copied to its template as `outrigger.dev/workload`, and are removed from there when
they are removed from the workload. Those of a Job are copied once, when the Job is created.

An unknown `outrigger.dev/` annotation, or a value that is never valid, is refused when it is
written, and the message says what is allowed. On a namespace a mistake would keep out all its pods.
So there an unknown annotation is only a warning, and a value counts only for pods for which nothing
more specific is said.

## What can be asked

";

const CAPTURE: &str = "
## Variables

The containers of the application get these variables, so that their SDKs ask the gateway. The
address is the one of `outrigger.dev/port`.

- A container gets both the URL and the placeholder, or neither. It gets them only if it has none of
  the API's variables. A container that has its own key or URL stays as it is, and the pod says so
  in `outrigger.dev/injected`.
- A container with `envFrom` gets the URLs. The operator can't see what comes from there, and a
  placeholder would hide a key. So the container gets placeholders only for what
  `outrigger.dev/capture` names.
- The variables come before the container's own, so those may refer to them.
- `outrigger run -- CMD` sets the same variables.

";

const GATEWAY: &str = "
## The gateway in the pod

- It is a native sidecar: the init container `outrigger`, with `restartPolicy: Always`. It starts
  before the application and ends after it, also in Jobs. It comes after the containers of Istio and
  Linkerd, and otherwise first. Containers of other injectors are left alone.
- It is ready when it answers the application, whether or not providers or the operator can be
  reached. It has started when a policy was served once, or after 30 seconds; then it answers 503
  `no_policy`.
- It passes Pod Security's *restricted*. No other container mounts its volumes. The fields of the
  pod itself stay as they are, except `volumes`, and `imagePullSecrets` if the chart names some for
  the sidecar's image. A Secret of that name must be in the pod's namespace.
- It requests 10m of CPU and 16Mi of memory, and its memory limit is 64Mi. In a pod whose containers
  are all Guaranteed it is Guaranteed too, with 100m. In a pod that has `resources` as a whole it
  has none of its own unless annotations say so. If a quota requires a CPU limit, write
  `outrigger.dev/cpu: 10m/500m`.
- Another injector may come after it. On a second pass, what works stays as it is.

## Why a pod has none

If an annotation asks for a gateway and the pod can't have one, the pod is *refused*. If the
namespace's label asks, the pod is *skipped*: it runs without a gateway and says why in
`outrigger.dev/injected`. The reason is in the API server's answer, in an Event of the pod's owner,
and in metrics.

";

fn document() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("| annotation | on | default | means |\n|---|---|---|---|\n");
    for row in TABLE {
        let targets: Vec<&str> = row.targets.iter().map(|target| target.word()).collect();
        writeln!(text, "| `{PREFIX}{}` | {} | {} | {} |", row.word, targets.join(", "), row.default, row.means)
            .unwrap();
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
