"""On a real node: who has the role `edit` in one namespace neither holds up another one nor reads what is its own."""

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

# What changes takes a second at most, and so does waiting for whoever writes elsewhere; a node has more to do than that.
AT_ONCE = 1
# Below the time after which the API server gives up asking the operator about an object.
AT_WORST = 4
WRITERS, ROUNDS = 4, 2
GRACE_SECONDS = 30


@pytest.fixture(scope="module")
def estate(outrigger):
    return Estate(outrigger)


# Of pods that are there for what becomes of them, and not for how soon.
SMALL = {"pace": "0.1", "cpu": "10m"}
FORGED = "is not as the operator wrote it"


def test_what_a_tenant_writes_in_the_place_of_a_policy_leads_no_key_elsewhere(estate, catcher):
    node, api = estate.node, estate.api
    endpoint = f"http://{catcher}:8080/v1"
    shops = api.get("ConfigMap", SHOP, "outrigger-default")
    forged = {}
    for name in [*forgeries.forgeries(shops, shops, endpoint), "over-it"]:
        api.apply(estate.mallorys_key(name))
        map = api.until("ConfigMap", MALLORY, f"outrigger-{name}", bool)
        ways = forgeries.forgeries(map, shops, endpoint)
        forged[name] = ways.get(name) or forgeries.as_secret(map, ways["redirected"])
    # The operator mends each within a second, and each is written again at once, while pods are made that know nothing else.
    with Storm(estate.tenant, *map_of(again, forged), write=replace, pace=0.05) as storm:
        node.until("forgeries", lambda: storm.has_written(5 * len(forged)), SECONDS)
        apps = {name: estate.start_app(MALLORY, name, ready=False, **SMALL, **{"virtual-key": name}) for name in forged}
        for name, app in apps.items():
            said = lambda app=app: estate.gateway_says(MALLORY, app)  # noqa: E731
            node.until(f"the gateway of {name} to say so", lambda: FORGED in said(), SECONDS)
        # Where not even the operator's authority is certain, nothing is served, and /readyz says why.
        node.until("/readyz to say so", lambda: FORGED in json.dumps(estate.readyz(MALLORY, apps["unsigned"])), SECONDS)
    estate.tenant.api.delete("Secret", MALLORY, "outrigger-over-it")
    for name, app in apps.items():
        node.until(f"{name} to be served", lambda: estate.told(MALLORY, app) == "from shared", SECONDS)
        told = {line["says"] for line in estate.lines(MALLORY, app)}
        assert not told & {"from catcher", "from private"}, (name, told)
        # It is as it was, with no other change than the tenant's.
        mended = lambda map: endpoint not in json.dumps(map) and forgeries.SIGNATURES in map["data"]  # noqa: E731
        api.until("ConfigMap", MALLORY, f"outrigger-{name}", mended, SECONDS)
        api.delete("Deployment", MALLORY, name)
    assert estate.caught() == ""


def map_of(function, values):
    return [function(value) for value in values.values()]


def test_an_older_policy_is_in_force_until_the_operator_says_what_is(estate):
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
        # It is signed, and for this place.
        node.until("what is in force", lambda: estate.told(MALLORY, app) == "403 virtual_key_blocked", SECONDS)
    assert not is_deleted(estate, "older") and estate.told(MALLORY, app) == "403 virtual_key_blocked"
    api.delete("Deployment", MALLORY, "older")


def is_deleted(estate, name):
    """Deletes a binding's ConfigMap, as the tenant, and waits until there is another."""
    uid = estate.api.get("ConfigMap", MALLORY, f"outrigger-{name}")["metadata"]["uid"]
    estate.tenant.api.delete("ConfigMap", MALLORY, f"outrigger-{name}")
    there = lambda map: map and map["metadata"]["uid"] != uid and map["data"]  # noqa: E731
    return not estate.api.until("ConfigMap", MALLORY, f"outrigger-{name}", there, SECONDS)


@pytest.fixture(scope="module")
def catcher(estate):
    """The address of a server of the tenant's."""
    return estate.start_catcher()


def test_a_name_that_a_pod_gives_to_another_server_leads_no_key_there(estate, catcher):
    node, api = estate.node, estate.api
    api.apply(secret(PLATFORM, "plain", apiKey=KEYS["plain"]))

    def plain(**more):
        return estate.provider("plain", to=[SHOP, MALLORY], endpoint="http://bank.test:8080/v1", **more)

    api.apply(plain())
    api.apply(estate.mallorys_key("plain", "plain"))
    aliases = [{"ip": catcher, "hostnames": ["bank.test"]}]
    app = estate.start_app(MALLORY, "plain", {"hostAliases": aliases}, **SMALL, **{"virtual-key": "plain"})
    # The key has this one provider, which is none for it.
    node.until("a refusal", lambda: estate.told(MALLORY, app) == "404 model_not_found", SECONDS)
    assert estate.caught() == ""
    # Where the provider's author trusts all who may use it, it does: the way that was barred is one.
    api.apply(plain(clearTextCredentials="Allow"))
    node.until("what was barred", lambda: holds_key(estate.caught(), "plain"), SECONDS)
    assert holds_key(estate.caught(), "shared", "private") == []
    api.delete("Deployment", MALLORY, "plain")


def test_a_gateway_that_is_not_the_operators_is_given_nothing(estate):
    tenant, given = estate.tenant, {}
    for name, change in pretenders.CHANGES.items():
        made = tenant.api.create(pretenders.made_by_hand(tenant, name, change))
        if made.status != 201:
            # The API server knows it, or an operator's webhook.
            given[name] = made.message
            continue
        token = tenant.api.sound(pretenders.token(tenant, pod=made.body)).body["status"]["token"]
        status, said = estate.stream(token)
        given[name] = said
        assert status == 403 and json.loads(said)["error"]["type"] == "gateway_foreign", (name, said)
    assert holds_key(json.dumps(given)) == []
    print("\n".join(f"{name}: {said.strip()[:160]}" for name, said in given.items()))


def test_tokens_of_a_tenants_own_making_give_what_its_pods_have_and_no_more(estate):
    tenant = estate.tenant
    app = estate.api.get("Pod", MALLORY, estate.mallory)
    shops = estate.api.get("Pod", SHOP, estate.shop)
    bound = tenant.api.sound(pretenders.token(tenant, pod=app)).body["status"]["token"]
    status, said = estate.stream(bound)
    # docs/rights.md says so of `serviceaccounts/token`, which Kubernetes' own `edit` has: what the namespace is bound to.
    assert status == 200 and holds_key(said) == ["shared"]
    # A pod need not run for it, and one that names another key gets what that one may use. Nothing lets it have the shop's.
    estate.api.apply(estate.mallorys_key("greedy", "private"))
    made = tenant.api.sound(tenant.api.create(pretenders.made_by_hand(tenant, "greedy"))).body
    status, said = estate.stream(tenant.api.sound(pretenders.token(tenant, pod=made)).body["status"]["token"])
    assert holds_key(said, "private", "plain") == []
    for title, answer, word in [
        ("bound to nothing", pretenders.token(tenant), "token_without_pod"),
        ("for somebody else", pretenders.token(tenant, pod=app, audience="https://kubernetes.default.svc"), "token_audience"),
        ("of another account", pretenders.token(tenant, "tenant"), "token_without_pod"),
    ]:
        status, said = estate.stream(tenant.api.sound(answer).body["status"]["token"])
        assert status in (401, 403) and json.loads(said)["error"]["type"] == word, (title, said)
    # Nor are tokens made for pods, or accounts, that are not the tenant's.
    assert pretenders.token(tenant, pod=shops).status >= 400
    assert pretenders.token(tenant, pod=shops, namespace=SHOP).status == 403
    status, said = estate.stream("not.a.token")
    assert status == 401 and holds_key(said) == []


def test_a_tenant_reads_no_key_where_it_may_look(estate):
    tenant = estate.tenant
    # Of its own pods a shell, and no more of the gateway than that it is there.
    assert tenant.may("create", "pods", subresource="exec")
    seen = tenant.kubectl("exec", estate.mallory, "-c", "main", "--", "python", "-c", LOOK, check=True)
    assert "OPENAI_API_KEY=outrigger" in seen and "4181 /policy 200" in seen
    seen += tenant.kubectl("exec", estate.mallory, "-c", "outrigger", "--", "/bin/sh", "-c", "env")
    seen += tenant.kubectl("logs", estate.mallory, "--all-containers", check=True)
    seen += tenant.kubectl("get", "configmaps,secrets,pods,events,rrule,vkey,llmp", "-o", "json", check=True)
    assert holds_key(seen) == []
    # A container beside the gateway, in its processes, is not for `edit` to add.
    assert not tenant.may("patch", "pods", subresource="ephemeralcontainers")
    debug = tenant.kubectl("debug", estate.mallory, "--image=outrigger.test/busybox:1", "--target=outrigger", "--", "sh", "-c", "env")
    assert "orbidden" in debug
    # And of others nothing at all.
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
    """A round of changes of the shop's policy, after which it is as it was: (what, what its application is told, how)."""
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
    """Seconds until each change was in force at the shop's gateway, by what it was."""
    times = {}
    for _ in range(rounds):
        for what, says, change in changes(estate):
            times.setdefault(what, []).append(estate.takes(what, says, change))
    return times


def told(title, times):
    every = [one for all in times.values() for one in all]
    print(f"{title}: median {statistics.median(every):.3f} s, worst {max(every):.3f} s")
    for what, all in times.items():
        print(f"  {what}: {', '.join(f'{one:.3f}' for one in all)}")
    return statistics.median(every), max(every)


def last_end(pod):
    """How the gateway of a pod ended, if it has."""
    return pod["status"]["initContainerStatuses"][0]["lastState"].get("terminated")


def test_whoever_writes_dear_rules_holds_up_nobody_else(estate):
    node, tenant = estate.node, estate.tenant
    # Each is refused, and the part that is too dear is named.
    for object, _ in zip(too_dear(MALLORY), TOO_DEAR):
        answer = tenant.api.try_apply(object)
        assert answer.status == 422 and "spec.when" in answer.message, (object["metadata"]["name"], answer)
    rest, _ = told("at rest", measured(estate, 1))
    writers = [too_dear(MALLORY), *(at_the_bound(MALLORY, at, WRITERS) for at in range(WRITERS))]
    with Storm(tenant, *writers) as storm:
        node.until("a storm", lambda: storm.has_written(WRITERS * 10), SECONDS)
        before = estate.operators_time()
        median, worst = told("in the storm", measured(estate))
        # Where others have the processor, everything takes so much longer.
        slower = slowed(before, estate.operators_time())
        print(f"written, by status: {storm.written}; the operator was {slower:.1f} times slower for want of a processor")
        assert median < rest + AT_ONCE * slower and worst < AT_WORST * slower
        # The rules are the tenant's own, and so is what they cost. Its gateway answers, is ready, and ends when it is told to.
        assert estate.told(MALLORY, estate.mallory) == "from shared"
        node.until_ready("Pod", MALLORY, estate.mallory)
        began = time.monotonic()
        node.end_container(MALLORY, estate.mallory, "outrigger", "SIGTERM")
        has_ended = lambda pod: last_end(pod) is not None  # noqa: E731
        ended = last_end(node.api.until("Pod", MALLORY, estate.mallory, has_ended, SECONDS))
        assert ended["exitCode"] == 0 and time.monotonic() - began < GRACE_SECONDS * slower, ended
