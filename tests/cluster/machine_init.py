"""The first process of a machine inside this one: makes its file systems and its network, and buries its dead.

When it ends, the kernel ends all that runs in there, and takes its mounts and its network away.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

gateway, range_, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])

# What a kubelet would write into the kernel of the whole machine: in here it reads that it is so already.
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# Where containerd, its shims, CNI and the kubelet write, whatever they are told.
OWN = ["/run", "/var/lib", "/var/log"]


def run(*command):
    subprocess.run(command, check=True)


# Mounts of containers come and go in here, and nowhere else.
run("mount", "--make-rshared", "/")
for place in OWN:
    run("mount", "-t", "tmpfs", "-o", "mode=755", "machine", place)
for name, value in KERNEL.items():
    file = folder / name.replace("/", ".")
    file.write_text(value + "\n")
    run("mount", "--bind", file, f"/proc/sys/{name}")
run("ip", "link", "set", "lo", "up")
run("ip", "link", "add", "pods", "type", "bridge")
run("ip", "address", "add", f"{gateway}/{range_.partition('/')[2]}", "dev", "pods")
run("ip", "link", "set", "pods", "up")
Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

# Blocked, so that none that comes between the two calls below is missed.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
(folder / "made").touch()
while True:
    try:
        os.wait()
    except ChildProcessError:
        # Nobody to bury. Whoever comes in later is not its child, but becomes one when its parent ends.
        signal.sigwait([signal.SIGCHLD])
