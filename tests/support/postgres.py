"""A private PostgreSQL node for tests: its own folder and port on loopback; nothing outside is touched.

Fixtures: `postgres_node` (one for the session) and `postgres_url` (a fresh database on it). A missing server skips
on a laptop and fails when CI is set.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SUPERUSER = "esb"
PASSWORD = "fictitious"
ACCOUNT = "postgres"
"""The account to run under when we are root, whom PostgreSQL refuses."""

START_S = 60.0
STOP_S = 30.0

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = '32MB'
max_connections = 100
fsync = on
synchronous_commit = on
log_min_messages = warning
"""


class PostgresNode:
    """One server of our own. Start, kill and start again keep its port and its data."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        """`folder` is empty and ours; everything the node writes goes there."""
        self.port = _free_port()
        self._binaries = binaries
        self._folder = folder
        self._data = folder / "data"
        self._server: subprocess.Popen[bytes] | None = None
        self._identity = _identity()
        if self._identity:
            os.chown(folder, self._identity["user"], self._identity["group"])
        self._initialise()

    def start(self) -> None:
        """Return when the server takes connections."""
        with (self._folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Cut all connections and close the files properly."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Take all its processes away without any goodbye, as a power cut would."""
        assert self._server is not None
        # Stopped first, so that it starts no child that this would miss.
        self._server.send_signal(signal.SIGSTOP)
        children = _children(self._server.pid)
        for child in children:
            os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)
        # Until the last one is gone a new server finds the shared memory in use and gives up.
        deadline = time.monotonic() + STOP_S
        while any(_lives(child) for child in children):
            assert time.monotonic() < deadline, "a server process survived SIGKILL"
            time.sleep(0.01)

    def close(self) -> None:
        """End the server if it runs. Its files are thrown away, so it need not write them all once more."""
        if self._server is not None:
            self._end(signal.SIGQUIT)

    def url(self, database: str) -> str:
        """The address of one database, for the superuser."""
        return f"postgresql://{SUPERUSER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def fresh_database(self) -> str:
        """The address of a database that nobody has used."""
        name = f"esb_{secrets.token_hex(6)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER, "-T", "template0", name)
        return self.url(name)

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        self._run(
            "initdb", "-D", str(self._data), "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "--no-sync",
            "--auth-host=password", "--auth-local=reject", f"--pwfile={password}",
        )  # fmt: skip
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(_CONFIGURATION)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            cwd=self._folder,
            env={"PGPASSWORD": PASSWORD, "PATH": os.defpath, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
            **self._identity,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _wait_until_ready(self) -> None:
        assert self._server is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self._server.poll() is None, (self._folder / "server.log").read_text()
            answer = subprocess.run(
                [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
            )
            if answer.returncode == 0:
                return
            time.sleep(0.05)
        raise TimeoutError("PostgreSQL did not start")

    def _end(self, number: signal.Signals) -> None:
        assert self._server is not None
        self._server.send_signal(number)
        self._server.wait(STOP_S)
        self._server = None


@pytest.fixture(scope="session")
def postgres_node() -> Iterator[PostgresNode]:
    with private_node() as node:
        yield node


@pytest.fixture
def postgres_url(postgres_node: PostgresNode) -> str:
    return postgres_node.fresh_database()


@pytest.fixture
def own_postgres_node() -> Iterator[PostgresNode]:
    """A node for one test alone, which may stop and kill it."""
    with private_node() as node:
        yield node


class private_node:  # noqa: N801 - a context manager, used like a function
    """A started node in a temporary folder; stopped and removed at the end."""

    def __enter__(self) -> PostgresNode:
        """Skips, or under CI fails, when the server is not installed."""
        binaries = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="esb-postgres-"))
        self._node = PostgresNode(binaries, self._folder)
        self._node.start()
        return self._node

    def __exit__(self, *_: object) -> None:
        self._node.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    advice = "PostgreSQL is not installed; as root: apt-get install postgresql"
    if os.environ.get("CI"):
        pytest.fail(advice)
    pytest.skip(advice)


def _identity() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(ACCOUNT)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # Behind the name in parentheses: Z is dead and not yet waited for, X is dead.
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
