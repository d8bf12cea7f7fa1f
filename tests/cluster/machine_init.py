"""The first process of a machine inside this one: sets up its file systems and its network, and reaps processes.

When it ends, the kernel kills all processes inside, and removes its mounts and its network.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

gateway, range_, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])

# Kernel settings that a kubelet would write for the whole machine. In here it reads that they are set already.
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# Folders that containerd, its shims, CNI and the kubelet always write to.
OWN = ["/run", "/var/lib", "/var/log"]


def run(*command):
    subprocess.run(command, check=True)


# Mounts of containers stay inside.
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

# Blocked, so that a signal between the two calls below is not missed.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
(folder / "made").touch()
while True:
    try:
        os.wait()
    except ChildProcessError:
        # No child to reap. A process that enters later becomes a child only when its parent ends.
        signal.sigwait([signal.SIGCHLD])
