"""A private RabbitMQ node for tests: its own folder, ports, cookie and port mapper; nothing outside is touched.

Fixtures: `rabbit_node` (one for the session) and `rabbit` (a fresh virtual host on it). A missing server skips on a
laptop and fails when CI is set.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pika
import pika.exceptions
import pytest

from tests.support.rabbit_definitions import (
    BUS_USER,
    EVERYTHING,
    PASSWORD,
    Permission,
    user_definitions,
    vhost_definitions,
)

__all__ = ["EVERYTHING", "PASSWORD", "SCRIPTS", "Client", "Permission", "Rabbit", "RabbitNode", "eventually"]

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
"""The scripts themselves: the wrappers in /usr/sbin insist on the account `rabbitmq`."""

PREPARED_VHOSTS = 8
START_S = 60.0
STOP_S = 20.0


class RabbitNode:
    """One broker process of our own. Start, kill and start again keep its ports and its data."""

    def __init__(self, folder: Path) -> None:
        """`folder` is empty and ours; everything the node writes goes there."""
        self.port = _free_port()
        self._folder = folder
        self._environment = _environment(folder, port=self.port)
        self._server: subprocess.Popen[bytes] | None = None
        self._port_mapper: subprocess.Popen[bytes] | None = None
        self._vhosts = iter([f"v{number}" for number in range(PREPARED_VHOSTS)])
        _write_configuration(folder, port=self.port)

    @property
    def environment(self) -> dict[str, str]:
        """What the broker's own command-line tools need to find this node."""
        return dict(self._environment)

    def start(self) -> None:
        """Return when the broker answers AMQP with all prepared virtual hosts."""
        if self._port_mapper is None:
            self._start_port_mapper()
        with (self._folder / "console.log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(SCRIPTS / "rabbitmq-server")],
                env=self._environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready()

    def kill(self) -> None:
        """Take the process away without any goodbye, as a power cut would."""
        # RabbitMQ 3.10 keeps the names of its quorum queues in a file that it writes with seconds of delay: a kill
        # before that loses a queue just declared, with its confirmed messages (as in rabbitmq-server issue
        # 15725). That is the broker's defect and not what our tests are about.
        self.control("eval", "[dets:sync(Table) || Table <- dets:all()].")
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let the broker keep its connections and say nothing any more, as a hung disk would."""
        assert self._server is not None
        os.killpg(self._server.pid, signal.SIGSTOP)
        # A busy machine takes its time to stop every thread of the group.
        while not all(map(_is_stopped, _threads_of_group(self._server.pid))):
            time.sleep(0.01)

    def thaw(self) -> None:
        """End `freeze`."""
        assert self._server is not None
        os.killpg(self._server.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Let the broker close its connections and files."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        """Stop the broker and the port mapper that was started for it."""
        self.stop()
        if self._port_mapper is not None:
            self._port_mapper.terminate()
            self._port_mapper.wait(STOP_S)
            self._port_mapper = None

    def url(self, vhost: str, *, user: str = BUS_USER) -> str:
        """The AMQP address for one user and virtual host."""
        return f"amqp://{user}:{PASSWORD}@127.0.0.1:{self.port}/{vhost}"

    def fresh_vhost(self) -> str:
        """A virtual host that nobody has used; the first ones are there from the start because making one is slow."""
        vhost = next(self._vhosts, None)
        if vhost is None:
            more = [f"x{secrets.token_hex(4)}" for _ in range(PREPARED_VHOSTS)]
            self.define(vhost_definitions(more))
            self._vhosts = iter(more)
            vhost = next(self._vhosts)
        return vhost

    def add_user(self, name: str, vhost: str, permission: Permission) -> str:
        """Make a broker user (or change what it may do) and return its address."""
        self.define(user_definitions(name, vhost, permission))
        return self.url(vhost, user=name)

    def define(self, definitions: dict[str, object]) -> None:
        """Import definitions into the running node."""
        file = self._folder / f"definitions-{secrets.token_hex(4)}.json"
        file.write_bytes(msgspec.json.encode(definitions))
        self.control("import_definitions", str(file))

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` against this node and return what it prints."""
        done = subprocess.run(
            [str(SCRIPTS / "rabbitmqctl"), "--quiet", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _start_port_mapper(self) -> None:
        # The server would start an epmd of its own as a daemon that nobody can stop by pid; ours is a child.
        self._port_mapper = subprocess.Popen(
            ["epmd", "-port", self._environment["ERL_EPMD_PORT"], "-address", "127.0.0.1"],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for_port(int(self._environment["ERL_EPMD_PORT"]), self._port_mapper)

    def _wait_until_ready(self) -> None:
        assert self._server is not None
        # Listeners open after definitions are imported, so an open port means ready.
        try:
            _wait_for_port(self.port, self._server)
        except AssertionError as error:
            log = (self._folder / "console.log").read_text(encoding="utf-8", errors="replace")
            raise AssertionError(f"{error}\n{log[-4000:]}") from error

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        # The session we made holds the node and its few port programs (inet_gethost, erl_child_setup) alone.
        os.killpg(server.pid, how) if how is signal.SIGKILL else server.send_signal(how)
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(STOP_S)


@dataclass(frozen=True, kw_only=True)
class Rabbit:
    """A fresh virtual host on the session's node, with the bus's own user in it."""

    node: RabbitNode
    vhost: str
    clients: list[Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address for the bus's own user."""
        return self.node.url(self.vhost)

    def user(self, name: str, permission: Permission = EVERYTHING) -> str:
        """The address for a further user."""
        return self.node.add_user(name, self.vhost, permission)

    def client(self, user: str = BUS_USER) -> Client:
        """A connection of a user that exists; closed when the test ends."""
        client = Client(self.node.url(self.vhost, user=user))
        self.clients.append(client)
        return client

    def queues(self) -> set[str]:
        """Names of the queues that are there."""
        return set(self.node.control("list_queues", "--vhost", self.vhost, "--no-table-headers", "name").split())


class Client:
    """A portal's own connection: blocking, as simple as a portal's can be."""

    def __init__(self, url: str) -> None:
        """Connects at once."""
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self._connection.channel()
        self.channel.confirm_delivery()
        self.user = pika.URLParameters(url).credentials.username

    def queue(self, name: str) -> str:
        """Declare a queue of one's own."""
        self.channel.queue_declare(name, durable=True)
        return name

    def publish(self, routing_key: str, body: bytes = b"{}", *, exchange: str = "esb.requests", **facts: Any) -> None:
        """Publish as a portal would; `facts` are AMQP properties. Raises pika's own exceptions."""
        properties = pika.BasicProperties(
            **{"user_id": self.user, "content_type": "application/json", "delivery_mode": 2, **facts}
        )
        self.channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)

    def depth(self, queue: str) -> int:
        """How many messages of a queue nobody has taken; those in somebody's hands are not counted."""
        count: int = self.channel.queue_declare(queue, passive=True).method.message_count
        return count

    def take(self, queue: str) -> tuple[pika.BasicProperties, bytes] | None:
        """The next message of a queue, acknowledged; None when it is empty."""
        method, properties, body = self.channel.basic_get(queue, auto_ack=True)
        return None if method is None else (properties, body)

    def take_all(self, queue: str) -> list[tuple[pika.BasicProperties, bytes]]:
        """Everything a queue holds now."""
        messages = []
        while (message := self.take(queue)) is not None:
            messages.append(message)
        return messages

    def close(self) -> None:
        """Say goodbye if the broker still listens."""
        # A broker that was killed under the connection is noticed only now; closing then fails, which ends it too.
        with contextlib.suppress(pika.exceptions.AMQPError):
            self._connection.close()


async def eventually(condition: Callable[[], object], *, within_s: float = 30.0) -> None:
    """Return when `condition` holds; the bound is only there to end a test that will never pass."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in another process
            await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def rabbit_node() -> Iterator[RabbitNode]:
    """The session's broker."""
    _require_server()
    with tempfile.TemporaryDirectory(prefix="esb-rabbitmq-") as name:
        node = RabbitNode(Path(name))
        try:
            node.start()
            yield node
        finally:
            node.close()


@pytest.fixture
def rabbit(rabbit_node: RabbitNode) -> Iterator[Rabbit]:
    """A fresh virtual host."""
    rabbit = Rabbit(node=rabbit_node, vhost=rabbit_node.fresh_vhost())
    yield rabbit
    for client in rabbit.clients:
        client.close()


@pytest.fixture
def rabbit_url(rabbit: Rabbit) -> str:
    """The address of a fresh virtual host for the bus's own user."""
    return rabbit.url


def _require_server() -> None:
    if (SCRIPTS / "rabbitmq-server").exists() and shutil.which("erl"):
        return
    if os.environ.get("CI"):
        pytest.fail("rabbitmq-server is not installed: apt install rabbitmq-server")
    pytest.skip("needs rabbitmq-server (apt install rabbitmq-server)")


def _environment(folder: Path, *, port: int) -> dict[str, str]:
    for name in ("mnesia", "log", "home"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "enabled_plugins").write_text("[].\n", encoding="ascii")
    # The cookie of the tool and of the server must agree; both read it from their HOME.
    cookie = folder / "home" / ".erlang.cookie"
    cookie.write_text(secrets.token_hex(16), encoding="ascii")
    cookie.chmod(0o400)
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"esbtest-{secrets.token_hex(4)}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(_free_port()),
        "ERL_EPMD_PORT": str(_free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
        # Makes the script exec the Erlang machine instead of minding it, so that our child is the broker itself.
        "RUNNING_UNDER_SYSTEMD": "true",
        # The machine is shared: one scheduler thread less spinning matters more than the broker's top speed.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
    }


def _write_configuration(folder: Path, *, port: int) -> None:
    definitions = folder / "definitions.json"
    definitions.write_bytes(msgspec.json.encode(vhost_definitions([f"v{n}" for n in range(PREPARED_VHOSTS)])))
    (folder / "rabbitmq.conf").write_text(
        "\n".join(
            (
                f"listeners.tcp.local = 127.0.0.1:{port}",
                "loopback_users = none",
                "log.console = true",
                "log.console.level = warning",
                "log.file = false",
                "vm_memory_high_watermark.absolute = 512MB",
                "disk_free_limit.absolute = 50MB",
                "definitions.import_backend = local_filesystem",
                f"definitions.local.path = {definitions}",
            )
        )
        + "\n",
        encoding="ascii",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port} after {START_S} s")


def _threads_of_group(group: int) -> list[Path]:
    """The folders under /proc of every thread of a process group."""
    threads: list[Path] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(int(process.name)) == group:
                threads += process.glob("task/[0-9]*")
    return threads


def _is_stopped(thread: Path) -> bool:
    try:
        state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"T", "Z"}
