"""On a real node: a pod that is deleted under load loses no request, neither responses nor streams."""

import json

import pytest

from conftest import a_namespace
from installation import application
from objects import key, outrigger as object_of

WORKERS = 16
# The reply that busy_app.py expects.
WORDS = "one two three four five six seven eight"
# Much longer than any request, so that no container is killed.
GRACE_SECONDS = 60


@pytest.fixture
def space(outrigger, request):
    yield from a_namespace(outrigger, request)


def test_a_pod_that_is_deleted_under_load_loses_no_request(outrigger, space):
    node = outrigger
    slow = {"reply": WORDS, "timing": {"firstToken": "300ms", "perToken": "100ms"}}
    node.api.apply(object_of("LLMProvider", space, "openai", type="Mock", mock=slow))
    node.api.apply(key(space))
    files, deployment = application(space, command=(str(WORKERS),), program="busy_app.py")
    deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = GRACE_SECONDS
    for one in (files, deployment):
        node.api.apply(one)
    (pod,) = node.pods(space, "app=app", lambda pods: len(pods) == 1)
    app = node.until_ready("Pod", space, pod["metadata"]["name"])["metadata"]["name"]
    node.until("load", lambda: "under load" in node.lines(space, app))
    # Followed to its end, after the last reply.
    with node.following(space, app) as rest:
        node.kubectl("delete", "pod", app, "-n", space, "--wait=false")
        outcomes = json.loads(rest()[-1])
    assert outcomes.pop("across the end") > 0, outcomes
    assert outcomes.keys() == {"answered"} and outcomes["answered"] > 2 * WORKERS, outcomes
