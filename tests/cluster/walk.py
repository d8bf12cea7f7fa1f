"""`make demo`: shows in the terminal what Outrigger does for an application, on the cluster of `make
cluster`."""

import json
from pathlib import Path

from gateway import REPOSITORY
from installation import application

OBJECTS = Path(__file__).resolve().parent / "demo"
NAMESPACE, APP = "shop", "app"
KINDS = "llmp,vkey,rrule,llmb"
READY = ["wait", KINDS, "--all", "-n", NAMESPACE, "--for=condition=Accepted", "--timeout=60s"]


class Walk:
    """Each step is typed, shows its output, and fails if the output is not as promised."""

    def __init__(self, node, tell=lambda text: print(text, flush=True)):
        self.node, self.tell = node, tell

    def all(self):
        for step in (self.apply, self.inject, self.ask, self.fail_over, self.route, self.spend, self.slip):
            self.tell(f"\n# {step.__doc__}")
            step()

    def forget(self):
        """Removes what an earlier walk has left and would disturb this one."""
        self.node.kubectl("delete", f"deploy/{APP}", "-n", NAMESPACE, "--ignore-not-found")
        self.node.kubectl("delete", "rrule/cheap", "-n", NAMESPACE, "--ignore-not-found")

    def kubectl(self, *words, input=None):
        shown = [word if len(word) < 100 else "…" for word in map(str, words)]
        shown = [word.replace(f"{REPOSITORY}/", "") for word in shown]
        self.tell(f"$ kubectl {' '.join(shown)}")
        output = self.node.kubectl(*words, input=input)
        self.tell(output.rstrip())
        return output

    def apply_file(self, name):
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", OBJECTS / name)

    def until_it_says(self, words, *model):
        """Sends requests as the application does, until a change has arrived: within a second."""
        asking = ["exec", "-n", NAMESPACE, f"deploy/{APP}", "-c", "main", "--", "python", "/app/app.py", "ask", *model]

        def reply():
            return (self.node.kubectl(*asking).strip().splitlines() or [""])[-1]

        self.tell(f"$ kubectl {' '.join(asking)}")
        self.node.until(words, lambda: reply() == words)
        self.tell(words)

    def apply(self):
        """Providers, and a key that says who may serve and how much may be spent."""
        self.apply_file("1-objects.yaml")
        self.kubectl(*READY)
        self.kubectl("get", KINDS, "-n", NAMESPACE)

    def inject(self):
        """An application with the OpenAI SDK, without key and address; and one annotation."""
        annotations = {"outrigger.dev/inject": "true", "outrigger.dev/virtual-key": "shop"}
        objects = application(NAMESPACE, APP, annotations, command=("keep", "1"))
        self.kubectl("apply", "--server-side", "-f", "-", input="".join(f"---\n{json.dumps(one)}\n" for one in objects))
        self.kubectl("rollout", "status", f"deploy/{APP}", "-n", NAMESPACE, "--timeout=120s")
        self.kubectl("get", "pods", "-n", NAMESPACE, "-L", "outrigger.dev/virtual-key,outrigger.dev/sidecar")

    def ask(self):
        """It sends a request, and a provider replies."""
        self.until_it_says("Hello from openai.")

    def fail_over(self):
        """The provider's servers fail. The next one replies, and the application notices nothing."""
        self.apply_file("2-outage.yaml")
        self.until_it_says("Hello from anthropic.")
        self.kubectl("logs", "-n", NAMESPACE, f"deploy/{APP}", "-c", "main", "--tail=5")

    def route(self):
        """A rule, with its own test, takes effect while the application runs."""
        self.apply_file("3-rule.yaml")
        self.until_it_says("Hello from anthropic.", "gpt-4o-mini")
        self.until_it_says("Hello from openai, again.", "gpt-4o")
        self.kubectl("get", "rrule", "-n", NAMESPACE)

    def spend(self):
        """A budget that is spent: the SDK gets an error, and no more money is spent."""
        self.apply_file("4-budget.yaml")
        self.until_it_says("402 budget_exceeded")
        self.kubectl("get", "vkey", "-n", NAMESPACE)

    def slip(self):
        """A mistake: the last good version stays in force, and the object says what to fix."""
        self.apply_file("5-mistake.yaml")
        self.kubectl(*("wait", "vkey/shop", "-n", NAMESPACE, "--for=condition=ResolvedRefs=False", "--timeout=60s"))
        conditions = '-o=jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\\n"}{end}'
        self.kubectl("get", "vkey/shop", "-n", NAMESPACE, conditions)
        self.until_it_says("402 budget_exceeded")
