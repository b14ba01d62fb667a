"""Numbers for Prometheus: plain counts in memory on the hot path, made into families only when somebody looks.

The bus, the doors and the journal count; `GET /metrics` reads. Several workers of one node share a folder: each lays
its counts there, and whichever worker is asked adds all of them up. A label is only ever a name from the deployment
(route, agency, operation) or from a closed set, never a value that a caller sent.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_BATCH_SIZES = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0)


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One metric's name, help text, labels and, for a histogram, upper bounds of its buckets."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    gauge: bool = False


EXCHANGES = Family(
    name="esb_exchange_seconds",
    help="Exchanges that ended, by route and status, and how long each took.",
    labels=("route", "status"),
    buckets=_SECONDS,
)
AGENCY_CALLS = Family(
    name="esb_agency_call_seconds",
    help="Attempts at an agency, by outcome, and how long each took.",
    labels=("agency", "operation", "outcome"),
    buckets=_SECONDS,
)
COMMITS = Family(
    name="esb_journal_commit_seconds",
    help="Commits of the journal and how long each took.",
    buckets=_COMMIT_SECONDS,
)
COMMIT_SIZES = Family(
    name="esb_journal_commit_records",
    help="Records that shared one commit of the journal.",
    buckets=_BATCH_SIZES,
)
REFUSALS = Family(
    name="esb_refusals", help="Requests answered without becoming an exchange, by fault code.", labels=("code",)
)
PARKED = Family(name="esb_parked", help="Exchanges that were parked for a person, by route.", labels=("route",))
ANSWERS_BROUGHT = Family(
    name="esb_answers_brought",
    help="Answers that agencies brought after their call: taken, known, late, other, busy, or the code of a refusal.",
    labels=("agency", "outcome"),
)
PUBLISHED = Family(
    name="esb_published", help="Messages given to RabbitMQ: confirmed, returned or failed.", labels=("outcome",)
)
IN_FLIGHT = Family(name="esb_in_flight", help="Exchanges that run now.", gauge=True)
OUTBOX_PENDING = Family(name="esb_outbox_pending", help="Messages that wait for their publisher confirm.", gauge=True)
BREAKER_OPEN = Family(
    name="esb_breaker_open",
    help="Workers that hold calls to an agency back: 0 when all of them call it.",
    labels=("agency",),
    gauge=True,
)
ROUTES_LOADED = Family(name="esb_routes_loaded", help="Routes in the table in use, summed over workers.", gauge=True)

FAMILIES: tuple[Family, ...] = (
    EXCHANGES, AGENCY_CALLS, COMMITS, COMMIT_SIZES, REFUSALS, PARKED, ANSWERS_BROUGHT, PUBLISHED,
    IN_FLIGHT, OUTBOX_PENDING, BREAKER_OPEN, ROUTES_LOADED,
)  # fmt: skip

Labels = tuple[str, ...]


class Distribution:
    """How many observations fell into each bucket, and their sum. Mutable: it is a counter."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's counts at one moment: per family, a list of (labels, counts…); histograms end with their sum."""

    pid: int
    families: dict[str, list[tuple[Labels, list[float]]]]


class Metrics:
    """What one worker counts. Every counting method costs about a microsecond and never fails.

    One event loop only. `folder` None: a single worker, nothing is written anywhere.
    """

    def __init__(self, *, folder: Path | None = None) -> None:
        """`folder`: shared by the workers of one node; the supervisor empties it before it starts them."""
        self._folder = folder
        self._histograms: dict[str, dict[Labels, Distribution]] = {f.name: {} for f in FAMILIES if f.buckets}
        self._values: dict[str, dict[Labels, float]] = {f.name: {} for f in FAMILIES if not f.buckets}

    def exchange_finished(self, route: str, status: str, elapsed_s: float) -> None:
        """One exchange ended. `route` is a route of the table, never a name that a caller made up."""
        self._observe(EXCHANGES, (route, status), elapsed_s)

    def agency_call(self, agency: str, operation: str, outcome: str, elapsed_s: float) -> None:
        """One attempt ended. `outcome`: `answered`, or the code of the fault."""
        self._observe(AGENCY_CALLS, (agency, operation, outcome), elapsed_s)

    def journal_commit(self, records: int, elapsed_s: float) -> None:
        """One transaction of the journal is durable."""
        self._observe(COMMITS, (), elapsed_s)
        self._observe(COMMIT_SIZES, (), float(records))

    def refused(self, code: str) -> None:
        """A request was answered without becoming an exchange."""
        self._add(REFUSALS, (code,), 1)

    def parked(self, route: str) -> None:
        """An exchange needs a person."""
        self._add(PARKED, (route,), 1)

    def answer_brought(self, agency: str, outcome: str) -> None:
        """An agency brought an answer. `agency` is one of the table, or `-` for who proved nothing."""
        self._add(ANSWERS_BROUGHT, (agency, outcome), 1)

    def published(self, outcome: str, count: int = 1) -> None:
        """`outcome`: `confirmed`, `returned` or `failed`."""
        self._add(PUBLISHED, (outcome,), count)

    def exchange_began(self) -> None:
        """One more exchange runs; `exchange_left` must follow, however it ends."""
        self._add(IN_FLIGHT, (), 1)

    def exchange_left(self) -> None:
        """One exchange fewer runs."""
        self._add(IN_FLIGHT, (), -1)

    def outbox_pending(self, count: int) -> None:
        """So many messages wait in the outbox now."""
        self._values[OUTBOX_PENDING.name][()] = count

    def breaker_state(self, agency: str, *, is_open: bool) -> None:
        """The breaker of an agency is open or closed now."""
        self._values[BREAKER_OPEN.name][agency,] = float(is_open)

    def routes_loaded(self, count: int) -> None:
        """So many routes are in use now."""
        self._values[ROUTES_LOADED.name][()] = count

    def flush(self) -> None:
        """Lay the counts where the other workers see them; called every second. Blocks for one small file.

        Raises:
            OSError: the folder cannot be written; counting goes on.
        """
        if self._folder is None:
            return
        own = self._folder / f"{os.getpid()}.json"
        partial = own.with_suffix(".tmp")
        partial.write_bytes(_ENCODER.encode(self._snapshot()))
        partial.replace(own)

    def exposition(self) -> bytes:
        """The counts of all workers of this node in Prometheus's text format (0.0.4). Blocks for small files."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Merged([self._snapshot(), *self._others()]))
        return generate_latest(registry)

    def _observe(self, family: Family, labels: Labels, value: float) -> None:
        children = self._histograms[family.name]
        child = children.get(labels)
        if child is None:
            child = children[labels] = Distribution(family.buckets)
        child.observe(value)

    def _add(self, family: Family, labels: Labels, amount: float) -> None:
        children = self._values[family.name]
        children[labels] = children.get(labels, 0) + amount

    def _snapshot(self) -> Snapshot:
        families: dict[str, list[tuple[Labels, list[float]]]] = {
            name: [(labels, [*child.counts, child.total]) for labels, child in children.items()]
            for name, children in self._histograms.items()
        }
        for name, values in self._values.items():
            families[name] = [(labels, [value]) for labels, value in values.items()]
        return Snapshot(pid=os.getpid(), families=families)

    def _others(self) -> Iterator[Snapshot]:
        if self._folder is None:
            return
        own = f"{os.getpid()}.json"
        for path in sorted(self._folder.glob("*.json")):
            if path.name == own:
                continue
            try:
                yield _DECODER.decode(path.read_bytes())
            except (OSError, msgspec.MsgspecError):
                # A worker of another version, or one that is being removed: the rest is still worth telling.
                continue


class _Merged(Collector):
    """The sum over workers. Counters of a worker that has died stay in, or they would seem to run backwards."""

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        self._sums: dict[str, dict[Labels, list[float]]] = {family.name: {} for family in FAMILIES}
        for snapshot in snapshots:
            alive = _is_alive(snapshot.pid)
            for family in FAMILIES:
                if alive or not family.gauge:
                    self._add(family, snapshot.families)

    def collect(self) -> Iterator[Metric]:
        """Every family, those without any count too, so that a dashboard finds them."""
        for family in FAMILIES:
            yield _metric(family, self._sums[family.name])

    def _add(self, family: Family, families: Mapping[str, list[tuple[Labels, list[float]]]]) -> None:
        width = len(family.buckets) + 2 if family.buckets else 1
        sums = self._sums[family.name]
        for labels, counts in families.get(family.name, ()):
            if len(counts) == width and len(labels) == len(family.labels):
                known = sums.get(labels)
                sums[labels] = counts if known is None else [a + b for a, b in zip(known, counts, strict=True)]


def _metric(family: Family, sums: Mapping[Labels, list[float]]) -> Metric:
    if family.buckets:
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, counts in sums.items():
            histogram.add_metric(labels, _cumulative(family.buckets, counts), sum_value=counts[-1])
        return histogram
    kind = GaugeMetricFamily if family.gauge else CounterMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, counts in sums.items() or ([((), [0.0])] if not family.labels else []):
        metric.add_metric(labels, counts[0])
    return metric


def _cumulative(bounds: tuple[float, ...], counts: list[float]) -> list[tuple[str, float]]:
    running = 0.0
    pairs = []
    for bound, count in zip((*map(str, bounds), "+Inf"), counts[:-1], strict=True):
        running += count
        pairs.append((bound, running))
    return pairs


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Snapshot)
