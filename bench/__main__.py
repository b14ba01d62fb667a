"""`python -m bench`: speed and cost of a signed exchange, beside the floor that was measured in the same run.

Rounds are interleaved over all cases, the floor and the bare proxy, so that a machine that is slow for a minute is
slow for all of them. Writes `results/latest.{json,md,png}`; ends with one ratio per case. Asserts no speed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench import contracts, load, report, specimen
from bench.children import Program, cpu_s, program, resident_mib
from bench.deployment import Deployment, Subject, deployed
from bench.values import CASES, QUESTIONS, ROUTE, CaseResult, Floor, Load, Question, Results, Run, Step

CONCURRENCY = 16
SETTLE_S = 0.15
"""What a process still does for the last exchange after its reply was seen: marks in the outbox, logs."""

CONTRACT_BATCHES = 20
"""Interleaved measurements of the contracts per round; each is short."""

_CHOICES = [*(case.name for case in CASES), contracts.CASE]

FLOOR_SHARE = 0.3
"""The floor runs alone and steadily: it needs less time than a case."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    warm_up_s: float


THOROUGH = Plan(rounds=5, seconds=3.0, warm_up_s=1.5)
QUICK = Plan(rounds=1, seconds=0.4, warm_up_s=0.1)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A running proxy."""

    pid: int
    url: str


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The running things of one run, and what was found so far."""

    plan: Plan
    deployment: Deployment
    floor: Program
    proxy: Proxy
    joined: Proxy
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=dict)
    floors: dict[str, list[Floor]] = field(default_factory=dict)

    def warm_up(self) -> None:
        """Every path once, unmeasured: connections, caches, compiled statements."""
        for question in QUESTIONS:
            self._floor(question, self.plan.warm_up_s)
            for subject in self.deployment.subjects:
                self._run(subject, question, self.plan.warm_up_s)

    def round(self) -> None:
        """One measurement of everything."""
        for question in QUESTIONS:
            self.floors.setdefault(question.fin, []).append(self._floor(question, self.plan.seconds))
            for subject in self.deployment.subjects:
                key = (subject.case.name, question.fin)
                self.runs.setdefault(key, []).append(self._run(subject, question, self.plan.seconds))

    def cases(self) -> list[CaseResult]:
        """What was found, by case."""
        return [
            CaseResult(
                case=subject.case,
                question=question,
                runs=self.runs[subject.case.name, question.fin],
                floors=self.floors[question.fin],
                rss_mib=resident_mib(subject.pid),
            )
            for subject in self.deployment.subjects
            for question in QUESTIONS
        ]

    def steps(self) -> list[Step]:
        """The parts of the straight line."""
        found = []
        for question in QUESTIONS:
            answer = self.floor.ask(f"{question.fin} steps {self.plan.seconds * FLOOR_SHARE}")
            timed = msgspec.json.decode(answer, type=dict[str, float])
            found += [Step(question=question, name=name, us=us) for name, us in timed.items()]
        return found

    def _floor(self, question: Question, seconds: float) -> Floor:
        share_s = seconds * FLOOR_SHARE
        return Floor(
            straight_us=float(self.floor.ask(f"{question.fin} token {share_s}")),
            straight_without_token_us=float(self.floor.ask(f"{question.fin} plain {share_s}")),
            proxy_us=self._proxied(self.proxy, question, seconds).cpu_us,
            joined_us=self._proxied(self.joined, question, seconds).cpu_us,
        )

    def _proxied(self, proxy: Proxy, question: Question, seconds: float) -> Run:
        url = f"{proxy.url}/{question.fin}"
        return _measured(proxy.pid, lambda: self._over_http(url, question, seconds))

    def _run(self, subject: Subject, question: Question, seconds: float) -> Run:
        body = specimen.question_body(question)
        if subject.case.over_broker:
            return _measured(
                subject.pid,
                lambda: load.over_rabbitmq(subject.broker_url, body, seconds=seconds, concurrency=CONCURRENCY),
            )
        url = f"{subject.bus.url}/v1/routes/{ROUTE}"
        return _measured(subject.pid, lambda: self._over_http(url, question, seconds, subject))

    def _over_http(self, url: str, question: Question, seconds: float, subject: Subject | None = None) -> Load:
        # The proxy gets tokens too, so that requests and load generator are the same.
        token = (subject or self.deployment.subjects[0]).bus.token
        body = specimen.question_body(question)
        return load.over_http(url, body, token, seconds=seconds, concurrency=CONCURRENCY)


def _measured(pid: int, generate: Callable[[], Load]) -> Run:
    before_s = cpu_s(pid)
    found = generate()
    time.sleep(SETTLE_S)
    return Run(
        per_s=found.exchanges / found.elapsed_s,
        p50_ms=found.p50_ms,
        p99_ms=found.p99_ms,
        cpu_us=(cpu_s(pid) - before_s) / found.exchanges * 1e6,
    )


def run(plan: Plan, names: Sequence[str], folder: Path) -> Results:
    """Measure these cases; `folder` gets the bytes of the exchange for the floor."""
    cases = [case for case in CASES if case.name in names]
    with ExitStack() as stack:
        deployment = stack.enter_context(deployed(cases))
        specimens = specimen.take(deployment.subjects[0].bus, deployment.legs)
        for one in specimens:
            specimen.check(one)
        path = folder / "specimens.json"
        path.write_bytes(msgspec.json.encode(specimens))
        upstream = stack.enter_context(program("bench.proxy", "upstream", str(path))).line()
        bench = Bench(
            plan=plan,
            deployment=deployment,
            floor=stack.enter_context(program("bench.floor", str(path))),
            proxy=_proxy(stack, "proxy", path, upstream),
            joined=_proxy(stack, "joined", path, upstream),
        )
        bench.warm_up()
        for number in range(plan.rounds):
            print(f"round {number + 1} of {plan.rounds} ...", flush=True)
            bench.round()
        return Results(
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=report.machine(),
            versions={**report.versions(), **deployment.versions},
            rounds=plan.rounds,
            seconds=plan.seconds,
            concurrency=CONCURRENCY,
            cases=bench.cases(),
            steps=bench.steps(),
        )


def _proxy(stack: ExitStack, role: str, path: Path, upstream: str) -> Proxy:
    started = stack.enter_context(program("bench.proxy", role, str(path), upstream))
    return Proxy(pid=started.pid, url=started.line())


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, measures nothing")
    parser.add_argument("--case", action="append", choices=_CHOICES, help="only this; repeatable")
    parser.add_argument("--rounds", type=int, help=f"instead of {THOROUGH.rounds}")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder to write to")
    chosen = parser.parse_args()
    names = chosen.case or _CHOICES
    plan = _plan(chosen)
    chosen.results.mkdir(parents=True, exist_ok=True)
    if contracts.CASE in names:
        measured = contracts.measure(plan.rounds * CONTRACT_BATCHES)
        contracts.write(measured, chosen.results)
        print(measured.line())
    if set(names) > {contracts.CASE} or contracts.CASE not in names:
        _run_cases(plan, names, chosen.results)


def _run_cases(plan: Plan, names: Sequence[str], target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="esb-bench-") as folder:
        results = run(plan, names, Path(folder))
    report.write(results, target)
    print(report.table(results))
    print(*report.ratios(results), sep="\n")


def _plan(chosen: argparse.Namespace) -> Plan:
    plan = QUICK if chosen.quick else THOROUGH
    return plan if chosen.rounds is None else replace(plan, rounds=chosen.rounds)


if __name__ == "__main__":
    main()
