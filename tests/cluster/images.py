"""The images of the pods on the tests' node: made from this machine's programs, because nothing can be
pulled."""

import subprocess
import sys

import binaries
from gateway import REPOSITORY

sys.path.append(str(REPOSITORY / "scripts"))
import image  # noqa: E402

REGISTRY = "outrigger.test"
BUSYBOX, PAUSE = f"{REGISTRY}/busybox:1", f"{REGISTRY}/pause:1"
PYTHON = f"{REGISTRY}/python:1"
VERSION = "tests"
OPERATOR, SIDECAR = f"{REGISTRY}/outrigger-operator:{VERSION}", f"{REGISTRY}/outrigger-sidecar:{VERSION}"
USER = "65532:65532"
# Parts of Python's library to leave out; a tenth remains.
LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}


def pause(to):
    """The image that holds a pod's namespaces."""
    image.image(to, PAUSE, with_busybox(), {"Entrypoint": ["/bin/busybox", "sleep", "1000000000"], "User": USER})


def busybox(to):
    layer = with_busybox()
    applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True, timeout=10).stdout.split()
    for applet in applets:
        if applet != "busybox":
            layer.link(f"/bin/{applet}", "busybox")
    image.image(to, BUSYBOX, layer, {"Cmd": ["sh"], "User": USER, "Env": ["PATH=/bin"]})


def with_busybox():
    layer = image.Layer()
    layer.add("/bin/busybox", "/bin/busybox", 0o755)
    layer.folder("/tmp", 0o1777)
    return layer


def ours(name, binary):
    """The image of one of our binaries, as its Containerfile makes it: the binary and its libraries."""

    def make(to):
        layer = image.Layer()
        layer.add(f"/{binary}", binaries.outrigger(binary), 0o755)
        layer.libraries()
        layer.folder("/tmp", 0o1777)
        image.image(to, name, layer, {"Entrypoint": [f"/{binary}"], "User": USER, "WorkingDir": "/"})

    return make


def python(to):
    """Python with the OpenAI SDK: the interpreter of the tests' environment and its packages, at their paths on
    this machine."""
    script = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_path('stdlib'), sysconfig.get_path('purelib'), sep='\\n')"
    venv = REPOSITORY / ".cache/venv/openai/bin/python"
    done = subprocess.run([venv, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    prefix, library, packages = done.stdout.split()
    layer = image.Layer()
    program = venv.resolve()
    layer.add(str(program), program, 0o755)
    layer.link("/bin/python", str(program))
    # Compiled files contain the time of their source. With another time they would be recompiled at each start.
    layer.tree(library, library, LEFT_OUT, dated=True)
    layer.tree("/packages", packages, {"pip", "setuptools"}, dated=True)
    layer.libraries()
    layer.folder("/tmp", 0o1777)
    env = ["PATH=/bin", "PYTHONPATH=/packages", f"PYTHONHOME={prefix}", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"]
    image.image(to, PYTHON, layer, {"Cmd": ["python"], "Env": env, "User": USER})


# Images for every node, and images of our builds.
ALWAYS = {PAUSE: pause, BUSYBOX: busybox}
OURS = {OPERATOR: ours(OPERATOR, "outrigger-operator"), SIDECAR: ours(SIDECAR, "outrigger-sidecar"), PYTHON: python}


def write(name, to):
    """Writes the archive of an image to an open file. Always rebuilt, because comparing its sources is not worth
    it."""
    (ALWAYS | OURS)[name](to)
