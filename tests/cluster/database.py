"""A real PostgreSQL for a ledger, from Debian's package (scripts/postgres.sh): on loopback, or inside of a node's machine."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from binaries import Missing
from daemon import end, started_at
from gateway import free_port
from machine import GATEWAY, child_of
from waiting import until

USER, PASSWORD = "ledger", "s3cret-pass"
SECONDS = 120
# After it was killed, its children may hold its memory for a moment: it is started until it can begin.
STARTS = 50


class Database:
    """Runs once the block is entered. Its data outlives that it is killed."""

    def __init__(self, cluster):
        self.cluster, self.port = cluster, free_port()
        # Pods reach the machine's own bridge.
        self.host = GATEWAY if cluster.machine else "127.0.0.1"
        self.url = f"postgresql://{USER}:{PASSWORD}@{self.host}:{self.port}/postgres?sslmode=disable"

    def __enter__(self):
        self.folder = self.cluster.folder / "database"
        self.folder.mkdir()
        password = self.folder / "password"
        password.write_text(f"{PASSWORD}\n")
        for path in (self.folder, password):
            if os.geteuid() == 0:
                # It refuses to run as root.
                os.chown(path, *owner())
        options = ["--no-sync", "--auth=scram-sha-256", f"--username={USER}", "--encoding=UTF8", "--locale=C"]
        command = as_owner([program("initdb"), *options, f"--pwfile={password}", f"--pgdata={self.folder / 'data'}"])
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        # Beyond loopback, by password too: pods have addresses of their own network.
        with open(self.folder / "data" / "pg_hba.conf", "a") as rules:
            rules.write("host all all samenet scram-sha-256\n")
        self.resume()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder)

    def secret(self):
        """A folder with the connection string, as the operator's volume has it."""
        folder = self.folder / "secret"
        folder.mkdir(exist_ok=True)
        (folder / "url").write_text(f"{self.url}\n")
        return folder

    def kill(self):
        """Ends it as a loss of power would, as far as a process can tell."""
        # What waits for the cluster does not wait for it.
        self.cluster.daemons.pop("database", None)
        if self.cluster.machine:
            # The daemon is the program that enters the machine, and starts it as its child.
            child = child_of(self.daemon.pid)
            end(child, started_at(child), kill=True)
        self.daemon.stop(kill=True)

    def resume(self):
        """Starts it where it was killed, and waits until it serves."""
        for _ in range(STARTS):
            self.daemon = self.start()
            until("PostgreSQL to serve or to end", lambda: self.serves() or self.has_ended(), SECONDS)
            if not self.has_ended():
                return
        raise RuntimeError(f"PostgreSQL does not start: {self.daemon.tail()}")

    def start(self):
        listen = ["-c", f"listen_addresses={self.host}", "-c", f"port={self.port}", "-k", self.folder]
        command = as_owner([program("postgres"), "-D", self.folder / "data", *listen])
        return self.cluster.start("database", *command)

    def has_ended(self):
        return self.daemon.process.poll() is not None

    def serves(self):
        ready = [program("pg_isready"), "--quiet", f"--host={self.folder}", f"--port={self.port}"]
        return subprocess.run([str(word) for word in ready], timeout=SECONDS).returncode == 0

    def configure(self, setting, value):
        """For all sessions, and those that there are."""
        self.ask(f"ALTER SYSTEM SET {setting} = {value}")
        self.ask("SELECT pg_reload_conf()")

    def ask(self, query):
        """The answer of psql, without its frame."""
        command = [program("psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--command", query]
        env = {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": PASSWORD, "PGDATABASE": "postgres"}
        # A test may have made all others read only.
        env["PGOPTIONS"] = "-c default_transaction_read_only=off"
        done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def owner():
    """The user of the package and its group."""
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise Missing("no user `postgres`: scripts/postgres.sh installs PostgreSQL") from None
    return user.pw_uid, user.pw_gid


def as_owner(command):
    command = [str(word) for word in command]
    if os.geteuid() != 0:
        return command
    user, group = owner()
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *command]


def program(name):
    """Debian keeps each version in a folder of its own, out of PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = next((folder / name for folder in folders if (folder / name).exists()), None) or shutil.which(name)
    if not found:
        raise Missing(f"no {name}: scripts/postgres.sh installs PostgreSQL")
    return found
