"""A cluster's certificates and kubeconfigs, made with openssl."""

import base64
import json
import os
import subprocess

from clocks import LIBRARY, clock

DAYS = "30"


def openssl(*arguments, **options):
    # Issued an hour ago, because a cluster's certificates are older than the differences of its clocks.
    env = os.environ | (clock(-3600) if LIBRARY else {})
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, env=env, **options)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")


class Authority:
    """A certificate authority in a folder, its certificates, and the key that signs service account tokens."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True)
        self.certificate, self.key = folder / "ca.crt", folder / "ca.key"
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS),
            *("-subj", "/CN=outrigger-tests", "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.certificate),
        )
        self.token_key, self.token_public = folder / "sa.key", folder / "sa.pub"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.token_key)
        openssl("pkey", "-in", self.token_key, "-pubout", "-out", self.token_public)

    def server(self, name, *addresses):
        """Certificate and key of a server with these names and addresses."""
        alternatives = ",".join(f"IP:{a}" if a[0].isdigit() else f"DNS:{a}" for a in addresses)
        return self.issue(name, f"/CN={name}", "serverAuth", f"subjectAltName={alternatives}\n")

    def client(self, name, user, group=None):
        """Certificate and key of a user of the API server."""
        return self.issue(name, (f"/O={group}" if group else "") + f"/CN={user}", "clientAuth", "")

    def issue(self, name, subject, usage, more):
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject),
            *("-keyout", key, "-out", request),
        )
        extensions.write_text(f"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage={usage}\n{more}")
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial"),
            *("-days", DAYS, "-extfile", extensions, "-out", certificate),
        )
        return certificate, key

    def bundle(self):
        """The authority's certificate as a `caBundle`."""
        return encoded(self.certificate)

    def kubeconfig(self, file, server, certificate=None, key=None, token=None):
        if token is None:
            user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
        else:
            user = {"token": token}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": {"server": server, "certificate-authority-data": self.bundle()}}],
            "users": [{"name": "tests", "user": user}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }
        file.touch(mode=0o600)
        # JSON is YAML.
        file.write_text(json.dumps(content, indent=1))
        return file


def encoded(file):
    return base64.b64encode(file.read_bytes()).decode()
