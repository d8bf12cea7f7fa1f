"""On a real node: a user with the role `edit` in one namespace can neither delay another one nor read its
credentials."""

import json
import statistics
import time

import pytest

import forgeries
import pretenders
from estate import KEYS, MALLORY, PLATFORM, SECONDS, SHOP, Estate, holds_key, slowed
from objects import outrigger as object_of, secret
from storm import TOO_DEAR, Storm, again, at_the_bound, replace, too_dear
from test_providers import LOOK

# A change takes at most a second, and so does the wait for other writers. The rest is for the node's other load.
AT_ONCE = 1
# Below the API server's timeout for the operator's review of an object.
AT_WORST = 4
WRITERS, ROUNDS = 4, 2
GRACE_SECONDS = 30


@pytest.fixture(scope="module")
def estate(outrigger):
    return Estate(outrigger)


# For pods whose outcome counts, and not their speed.
SMALL = {"pace": "0.1", "cpu": "10m"}
FORGED = "is not the file that the operator wrote"


def test_a_forged_policy_sends_no_key_elsewhere(estate, catcher):
    node, api = estate.node, estate.api
    endpoint = f"http://{catcher}:8080/v1"
    shops = api.get("ConfigMap", SHOP, "outrigger-default")
    forged = {}
    for name in [*forgeries.forgeries(shops, shops, endpoint), "over-it"]:
        api.apply(estate.mallorys_key(name))
        map = api.until("ConfigMap", MALLORY, f"outrigger-{name}", bool)
        ways = forgeries.forgeries(map, shops, endpoint)
        forged[name] = ways.get(name) or forgeries.as_secret(map, ways["redirected"])
    # The operator corrects each within a second, and each is forged again at once, while pods are created that know
    # nothing else.
    with Storm(estate.tenant, *map_of(again, forged), write=replace, pace=0.05) as storm:
        node.until("forgeries", lambda: storm.has_written(5 * len(forged)), SECONDS)
        apps = {name: estate.start_app(MALLORY, name, ready=False, **SMALL, **{"virtual-key": name}) for name in forged}
        for name, app in apps.items():
            log = lambda app=app: estate.gateway_says(MALLORY, app)  # noqa: E731
            node.until(f"the gateway of {name} to say so", lambda: FORGED in log(), SECONDS)
        # If even the operator's authority is uncertain, the gateway serves nothing, and /readyz says why.
        node.until("/readyz to say so", lambda: FORGED in json.dumps(estate.readyz(MALLORY, apps["unsigned"])), SECONDS)
    estate.tenant.api.delete("Secret", MALLORY, "outrigger-over-it")
    for name, app in apps.items():
        node.until(f"{name} to be served", lambda: estate.last_reply(MALLORY, app) == "from shared", SECONDS)
        replies = {line["says"] for line in estate.lines(MALLORY, app)}
        assert not replies & {"from catcher", "from private"}, (name, replies)
        # It is as before, without any other change than the tenant's.
        corrected = lambda map: endpoint not in json.dumps(map) and forgeries.SIGNATURES in map["data"]  # noqa: E731
        api.until("ConfigMap", MALLORY, f"outrigger-{name}", corrected, SECONDS)
        api.delete("Deployment", MALLORY, name)
    assert estate.caught() == ""


def map_of(function, values):
    return [function(value) for value in values.values()]


def test_an_older_policy_is_in_force_until_the_operator_pushes(estate):
    node, api, tenant = estate.node, estate.api, estate.tenant
    api.apply(estate.mallorys_key("older"))
    older = api.until("ConfigMap", MALLORY, "outrigger-older", bool)
    before = json.loads(older["data"][forgeries.POLICY])["sequence"]
    api.apply(estate.mallorys_key("older", suspended=True))
    is_newer = lambda map: json.loads(map["data"][forgeries.POLICY])["sequence"] > before  # noqa: E731
    api.until("ConfigMap", MALLORY, "outrigger-older", is_newer)
    old = forgeries.changed(older, older["data"][forgeries.POLICY])
    with Storm(tenant, again(old), write=replace, pace=0.05) as storm:
        node.until("the older one", lambda: storm.has_written(5), SECONDS)
        app = estate.start_app(MALLORY, "older", **SMALL, **{"virtual-key": "older"})
        # It has a valid signature for this ConfigMap.
        node.until("what is in force", lambda: estate.last_reply(MALLORY, app) == "403 virtual_key_blocked", SECONDS)
    assert not is_deleted(estate, "older") and estate.last_reply(MALLORY, app) == "403 virtual_key_blocked"
    api.delete("Deployment", MALLORY, "older")


def is_deleted(estate, name):
    """Deletes a binding's ConfigMap as the tenant, and waits for the next one."""
    uid = estate.api.get("ConfigMap", MALLORY, f"outrigger-{name}")["metadata"]["uid"]
    estate.tenant.api.delete("ConfigMap", MALLORY, f"outrigger-{name}")
    there = lambda map: map and map["metadata"]["uid"] != uid and map["data"]  # noqa: E731
    return not estate.api.until("ConfigMap", MALLORY, f"outrigger-{name}", there, SECONDS)


@pytest.fixture(scope="module")
def catcher(estate):
    """The address of the tenant's server."""
    return estate.start_catcher()


def test_host_aliases_of_a_pod_send_no_key_elsewhere(estate, catcher):
    node, api = estate.node, estate.api
    api.apply(secret(PLATFORM, "plain", apiKey=KEYS["plain"]))

    def plain(**more):
        return estate.provider("plain", to=[SHOP, MALLORY], endpoint="http://bank.test:8080/v1", **more)

    api.apply(plain())
    api.apply(estate.mallorys_key("plain", "plain"))
    aliases = [{"ip": catcher, "hostnames": ["bank.test"]}]
    app = estate.start_app(MALLORY, "plain", {"hostAliases": aliases}, **SMALL, **{"virtual-key": "plain"})
    # The key's only provider does not accept its namespace.
    node.until("a refusal", lambda: estate.last_reply(MALLORY, app) == "404 model_not_found", SECONDS)
    assert estate.caught() == ""
    # If the provider's author allows clear text, the key is sent. So the check above is what prevented it.
    api.apply(plain(clearTextCredentials="Allow"))
    node.until("what was barred", lambda: holds_key(estate.caught(), "plain"), SECONDS)
    assert holds_key(estate.caught(), "shared", "private") == []
    api.delete("Deployment", MALLORY, "plain")


def test_a_foreign_gateway_gets_nothing(estate):
    tenant, given = estate.tenant, {}
    for name, change in pretenders.CHANGES.items():
        created = tenant.api.create(pretenders.made_by_hand(tenant, name, change))
        if created.status != 201:
            # The API server or the operator's webhook refuses it.
            given[name] = created.message
            continue
        token = tenant.api.sound(pretenders.token(tenant, pod=created.body)).body["status"]["token"]
        status, text = estate.stream(token)
        given[name] = text
        assert status == 403 and json.loads(text)["error"]["type"] == "gateway_foreign", (name, text)
    assert holds_key(json.dumps(given)) == []
    print("\n".join(f"{name}: {text.strip()[:160]}" for name, text in given.items()))


def test_tokens_that_a_tenant_creates_give_no_more_than_its_pods_have(estate):
    tenant = estate.tenant
    app = estate.api.get("Pod", MALLORY, estate.mallory)
    shops = estate.api.get("Pod", SHOP, estate.shop)
    bound = tenant.api.sound(pretenders.token(tenant, pod=app)).body["status"]["token"]
    status, text = estate.stream(bound)
    # docs/rights.md documents this for `serviceaccounts/token`, which Kubernetes' own `edit` includes: the namespace's
    # bindings.
    assert status == 200 and holds_key(text) == ["shared"]
    # The pod need not run. A pod that names another key gets that key's credentials, but never the shop's.
    estate.api.apply(estate.mallorys_key("greedy", "private"))
    created = tenant.api.sound(tenant.api.create(pretenders.made_by_hand(tenant, "greedy"))).body
    status, text = estate.stream(tenant.api.sound(pretenders.token(tenant, pod=created)).body["status"]["token"])
    assert holds_key(text, "private", "plain") == []
    for title, answer, word in [
        ("bound to nothing", pretenders.token(tenant), "token_without_pod"),
        ("for somebody else", pretenders.token(tenant, pod=app, audience="https://kubernetes.default.svc"), "token_audience"),
        ("of another account", pretenders.token(tenant, "tenant"), "token_without_pod"),
    ]:
        status, text = estate.stream(tenant.api.sound(answer).body["status"]["token"])
        assert status in (401, 403) and json.loads(text)["error"]["type"] == word, (title, text)
    # Tokens for pods or accounts of others can't be created.
    assert pretenders.token(tenant, pod=shops).status >= 400
    assert pretenders.token(tenant, pod=shops, namespace=SHOP).status == 403
    status, text = estate.stream("not.a.token")
    assert status == 401 and holds_key(text) == []


def test_a_tenant_reads_no_key_where_it_may_look(estate):
    tenant = estate.tenant
    # A shell in its own pods shows only that the gateway exists.
    assert tenant.may("create", "pods", subresource="exec")
    seen = tenant.kubectl("exec", estate.mallory, "-c", "main", "--", "python", "-c", LOOK, check=True)
    assert "OPENAI_API_KEY=outrigger" in seen and "4181 /policy 200" in seen
    seen += tenant.kubectl("exec", estate.mallory, "-c", "outrigger", "--", "/bin/sh", "-c", "env")
    seen += tenant.kubectl("logs", estate.mallory, "--all-containers", check=True)
    seen += tenant.kubectl("get", "configmaps,secrets,pods,events,rrule,vkey,llmp", "-o", "json", check=True)
    assert holds_key(seen) == []
    # `edit` may not add an ephemeral container that joins the gateway's processes.
    assert not tenant.may("patch", "pods", subresource="ephemeralcontainers")
    debug = tenant.kubectl("debug", estate.mallory, "--image=outrigger.test/busybox:1", "--target=outrigger", "--", "sh", "-c", "env")
    assert "orbidden" in debug
    # And nothing of other namespaces.
    for namespace in (SHOP, PLATFORM):
        for verb, resource, subresource in [
            ("get", "secrets", ""),
            ("get", "configmaps", ""),
            ("get", "pods", ""),
            ("create", "pods", "exec"),
            ("create", "pods", "portforward"),
            ("get", "pods", "log"),
            ("create", "serviceaccounts", "token"),
        ]:
            assert not tenant.may(verb, resource, namespace=namespace, subresource=subresource), (verb, resource, subresource)
    assert not any(tenant.may("create", kind, "outrigger.dev") for kind in ("virtualkeys", "llmproviders", "budgets"))


def changes(estate):
    """A round of changes of the shop's policy, after which it is as before: (what, the application's reply,
    how)."""
    api = estate.api
    rule = object_of("RoutingRule", SHOP, "all", when="true", targets=[{"provider": "private"}])
    yield "a rule", "from private", lambda: api.apply(rule)
    yield "no rule", "from shared", lambda: api.delete("RoutingRule", SHOP, "all")
    yield "a key suspended", "403 virtual_key_blocked", lambda: api.apply(estate.shops_key(suspended=True))
    yield "a key resumed", "from shared", lambda: api.apply(estate.shops_key(suspended=False))
    yield "a provider suspended", "from private", lambda: api.apply(estate.provider("shared", suspended=True))
    yield "a provider resumed", "from shared", lambda: api.apply(estate.provider("shared"))
    yield "a namespace shut out", "from private", lambda: api.apply(estate.provider("shared", [MALLORY]))
    yield "a namespace let in", "from shared", lambda: api.apply(estate.provider("shared"))
    yield "a key deleted", "401 virtual_key_required", lambda: api.delete("VirtualKey", SHOP, "default")
    yield "a key made", "from shared", lambda: api.apply(estate.shops_key())


def measured(estate, rounds=ROUNDS):
    """The seconds until each change was in force at the shop's gateway, by its kind."""
    times = {}
    for _ in range(rounds):
        for what, says, change in changes(estate):
            times.setdefault(what, []).append(estate.takes(what, says, change))
    return times


def summary(title, times):
    every = [one for all in times.values() for one in all]
    print(f"{title}: median {statistics.median(every):.3f} s, worst {max(every):.3f} s")
    for what, all in times.items():
        print(f"  {what}: {', '.join(f'{one:.3f}' for one in all)}")
    return statistics.median(every), max(every)


def last_end(pod):
    """How the gateway of a pod ended, if it has."""
    return pod["status"]["initContainerStatuses"][0]["lastState"].get("terminated")


def test_expensive_rules_delay_no_other_namespace(estate):
    node, tenant = estate.node, estate.tenant
    # Each is refused, and the message names the expensive part.
    for object, _ in zip(too_dear(MALLORY), TOO_DEAR):
        answer = tenant.api.try_apply(object)
        assert answer.status == 422 and "spec.when" in answer.message, (object["metadata"]["name"], answer)
    rest, _ = summary("at rest", measured(estate, 1))
    writers = [too_dear(MALLORY), *(at_the_bound(MALLORY, at, WRITERS) for at in range(WRITERS))]
    with Storm(tenant, *writers) as storm:
        node.until("a storm", lambda: storm.has_written(WRITERS * 10), SECONDS)
        before = estate.operators_time()
        median, worst = summary("in the storm", measured(estate))
        # If other processes have the processor, everything takes that much longer.
        slower = slowed(before, estate.operators_time())
        print(f"written, by status: {storm.written}; the operator was {slower:.1f} times slower for want of a processor")
        assert median < rest + AT_ONCE * slower and worst < AT_WORST * slower
        # The rules cost only the tenant's own gateway, which still answers, is ready, and ends when it must.
        assert estate.last_reply(MALLORY, estate.mallory) == "from shared"
        node.until_ready("Pod", MALLORY, estate.mallory)
        began = time.monotonic()
        node.end_container(MALLORY, estate.mallory, "outrigger", "SIGTERM")
        has_ended = lambda pod: last_end(pod) is not None  # noqa: E731
        ended = last_end(node.api.until("Pod", MALLORY, estate.mallory, has_ended, SECONDS))
        assert ended["exitCode"] == 0 and time.monotonic() - began < GRACE_SECONDS * slower, ended
