"""Results as a table for the terminal, a page, a plot and JSON. Names the machine and the versions, never the host."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

import matplotlib as mpl
import msgspec
from cryptography.hazmat.backends.openssl import backend
from lxml import etree

from bench.values import CaseResult, Floor, Question, Results

TARGET = 2.0
LIBRARIES = ("aiohttp", "uvloop", "msgspec", "lxml", "cryptography", "asyncpg", "pika")

_HEAD = (
    "case",
    "exch/s",
    "p50 ms",
    "p99 ms",
    "bus CPU us",
    "straight us",
    "proxy us",
    "floor us",
    "ratio",
    "joined us",
    "to joined",
    "RSS MiB",
)


def machine() -> dict[str, str]:
    """What it ran on."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """The interpreter and the libraries that do the work."""
    found = {"Python": platform.python_version()}
    found |= {name: version(name) for name in LIBRARIES}
    found["libxml2"] = ".".join(str(part) for part in etree.LIBXML_VERSION)
    found["OpenSSL"] = backend.openssl_version_text().split()[1]
    return found


def table(results: Results) -> str:
    """The figures, aligned for a terminal."""
    rows = [_HEAD, *_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join(lines)


def ratios(results: Results) -> list[str]:
    """The last lines of the bench."""
    return [f"{result.name}: ratio to floor: {result.ratio:.2f}" for result in results.cases]


def write(results: Results, folder: Path) -> None:
    """`latest.json`, `latest.md` and `latest.png`."""
    (folder / "latest.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (folder / "latest.md").write_text(_page(results), encoding="utf-8")
    _plot(results, folder / "latest.png")


def _rows(results: Results) -> Iterator[tuple[str, ...]]:
    for result in results.cases:
        middle = result.middle
        straight_us, proxy_us = _floor_parts(result)
        yield (
            result.name,
            f"{middle.per_s:.0f}",
            f"{middle.p50_ms:.1f}",
            f"{middle.p99_ms:.1f}",
            f"{middle.cpu_us:.0f}",
            f"{straight_us:.0f}",
            f"{proxy_us:.0f}",
            f"{result.floor_us:.0f}",
            f"{result.ratio:.2f}",
            f"{result.joined_us:.0f}",
            f"{result.ratio_to_joined:.2f}",
            f"{result.rss_mib:.0f}",
        )


def _floor_parts(result: CaseResult) -> tuple[float, float]:
    def straight_us(floor: Floor) -> float:
        return floor.of(result.case) - floor.proxy_us

    return median(map(straight_us, result.floors)), median(floor.proxy_us for floor in result.floors)


_PAGE = """# Cost of an exchange

Made by `make bench`; the next run overwrites it.

{taken_at} · {machine[cpu]}, {machine[cores]} cores, {machine[system]} · {versions}

Medians of {rounds} interleaved rounds of {seconds:g} s, {concurrency} questions in flight, one worker; agency,
database, broker and load generator on the same machine. CPU is user and system time of the bus process alone.

{cases}

Floor = straight-line program (below), which repeats one exchange in a tight loop, + bare aiohttp proxy that carries
the same bytes. The ratio is the median of the ratios within each round; the target is {target:g}. Over RabbitMQ the
straight line has no token to check; the floor has no broker and no database in it.

*Joined* is the same floor as one program under the same load as the bus: the proxy does the straight line's work for
each request. It costs more than the sum, because between two exchanges the processor's caches go cold, for it as for
the bus. What is above it is what the bus itself adds: routing, policy, limits, journal, logs, metrics.

![bus CPU beside the floor](latest.png)

## The straight line

CPU us of each part, timed alone.

{steps}
"""


def _page(results: Results) -> str:
    return _PAGE.format(
        taken_at=results.taken_at,
        machine=results.machine,
        versions=", ".join(f"{name} {number}" for name, number in results.versions.items()),
        rounds=results.rounds,
        seconds=results.seconds,
        concurrency=results.concurrency,
        cases=_markdown([_HEAD, *_rows(results)]),
        target=TARGET,
        steps=_markdown(_step_rows(results)),
    )


def _step_rows(results: Results) -> list[tuple[str, ...]]:
    questions: list[Question] = list(dict.fromkeys(step.question for step in results.steps))
    names = dict.fromkeys(step.name for step in results.steps)
    us = {(step.name, step.question): step.us for step in results.steps}
    head = ("part", *(question.size for question in questions))
    return [head, *((name, *(f"{us[name, question]:.0f}" for question in questions)) for name in names)]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = ("| " + " | ".join(row) + " |" for row in rows)
    rule = "|---" + "|---:" * (len(rows[0]) - 1) + "|"
    return "\n".join((head, rule, *rest))


def _plot(results: Results, path: Path) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice of a backend that needs no display

    cases = list(reversed(results.cases))
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.75 * len(cases)), layout="constrained")
    for place, result in enumerate(cases):
        straight_us, proxy_us = _floor_parts(result)
        bus_us = result.middle.cpu_us
        axes.barh(place + 0.19, bus_us, 0.34, color="#2f6f9f", label="bus" if not place else None)
        axes.barh(place - 0.19, straight_us, 0.34, color="#b9c4cc", label="straight line" if not place else None)
        axes.barh(
            place - 0.19, proxy_us, 0.34, straight_us, color="#dfe5e9", label="bare HTTP proxy" if not place else None
        )
        axes.text(bus_us, place + 0.19, f" {bus_us:.0f} µs = {result.ratio:.2f} × floor", va="center", fontsize=8)
        axes.text(straight_us + proxy_us, place - 0.19, f" {result.floor_us:.0f}", va="center", fontsize=8)
    axes.set_yticks(range(len(cases)), [result.name for result in cases], fontsize=8)
    axes.set_xlabel("CPU µs per signed exchange (median)")
    axes.margins(x=0.22)
    axes.set_title("Bus CPU per exchange beside its floor", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
