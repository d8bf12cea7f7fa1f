"""A machine inside this one, for a node: its own processes, mounts and network, which all end with it.

Changes nothing on this machine except a pair of network links between the two, and cgroups with the cluster's name.
It has no route to the outside: its pods reach each other, and this machine at one address.
"""

import os
import subprocess
import sys
from pathlib import Path

from daemon import Daemon, write_down
from waiting import until

HERE = Path(__file__).resolve().parent
GATEWAY, PODS, SERVICES = "10.88.0.1", "10.88.0.0/16", "10.96.0.0/16"
SECONDS = 30


class Machine:
    def up(self, folder, bound):
        if os.geteuid() != 0:
            raise PermissionError("a node needs root: run the tests as root, or only those of the control plane")
        self.folder = folder / "machine"
        self.folder.mkdir()
        self.gateway = GATEWAY
        init = [sys.executable, HERE / "machine_init.py", GATEWAY, PODS, self.folder]
        namespaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "--propagation=private"]
        self.daemon = Daemon("machine", ["unshare", *namespaces, "--kill-child=KILL", *init], folder, bound)
        until("the machine", (self.folder / "made").exists, SECONDS, [self.daemon])
        self.init = child_of(self.daemon.pid)
        write_down(folder, "init", self.init)
        self.connect()

    def connect(self):
        """Connects both with a pair of links with link-local addresses, which no other network uses."""
        name = f"outrigger{self.init}"[:15]
        number = self.init % 16_000
        third, fourth = divmod(number * 4, 256)
        outside, self.address = f"169.254.{third}.{fourth + 1}", f"169.254.{third}.{fourth + 2}"
        ip("link", "add", name, "type", "veth", "peer", "name", "host", "netns", str(self.init))
        ip("address", "add", f"{outside}/30", "dev", name)
        ip("link", "set", name, "up")
        for command in (
            ["address", "add", f"{self.address}/30", "dev", "host"],
            ["link", "set", "host", "up"],
            # Traffic to a Service is redirected on output, which requires a route.
            ["route", "add", SERVICES, "dev", "pods"],
        ):
            subprocess.run(self.inside(["ip", *command]), check=True, timeout=SECONDS)

    def inside(self, command):
        """The command line that runs a command inside."""
        return ["nsenter", f"--target={self.init}", "--net", "--mount", "--pid", "--uts", "--ipc", "--", *map(str, command)]


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, timeout=SECONDS)


def child_of(parent):
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            return int(stat.parent.name)
    raise ProcessLookupError(f"process {parent} has no child")
