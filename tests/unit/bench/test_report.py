from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import report
from bench.values import CASES, QUESTIONS, CaseResult, Floor, Results, Run, Step

FLOOR = Floor(straight_us=300, straight_without_token_us=200, proxy_us=100, joined_us=500)


def run(cpu_us: float) -> Run:
    return Run(per_s=100, p50_ms=5, p99_ms=9, cpu_us=cpu_us)


def result(name: str, cpus_us: list[float], floors: list[Floor]) -> CaseResult:
    (case,) = [case for case in CASES if case.name == name]
    return CaseResult(case=case, question=QUESTIONS[0], runs=[run(us) for us in cpus_us], floors=floors, rss_mib=90)


@pytest.fixture
def results() -> Results:
    return Results(
        taken_at="2026-11-21T12:00:00+00:00",
        machine=report.machine(),
        versions=report.versions(),
        rounds=1,
        seconds=0.1,
        concurrency=4,
        cases=[result("http", [800], [FLOOR]), result("rabbitmq", [900], [FLOOR])],
        steps=[Step(question=question, name="sign", us=40) for question in QUESTIONS],
    )


def test_the_floor_of_a_question_over_the_broker_has_no_token_in_it() -> None:
    over_http, over_broker = result("http", [1], [FLOOR]), result("rabbitmq", [1], [FLOOR])

    assert over_http.floor_us == 400
    assert over_broker.floor_us == 300


def test_a_round_in_which_everything_was_slow_does_not_move_the_ratio() -> None:
    slow = Floor(straight_us=900, straight_without_token_us=600, proxy_us=300, joined_us=1500)

    assert result("http", [800, 2400, 800], [FLOOR, slow, FLOOR]).ratio == 2


def test_the_last_lines_say_one_ratio_for_each_case(results: Results) -> None:
    assert report.ratios(results) == [
        "(a) HTTP sync, PostgreSQL, 2 kB: ratio to floor: 2.00",
        "(b) RabbitMQ, PostgreSQL, 2 kB: ratio to floor: 3.00",
    ]


def test_results_are_written_as_a_page_a_plot_and_json(results: Results, tmp_path: Path) -> None:
    report.write(results, tmp_path)

    assert (tmp_path / "latest.png").read_bytes().startswith(b"\x89PNG")
    assert msgspec.json.decode((tmp_path / "latest.json").read_bytes(), type=Results) == results
    page = (tmp_path / "latest.md").read_text(encoding="utf-8")
    assert (
        "| (a) HTTP sync, PostgreSQL, 2 kB | 100 | 5.0 | 9.0 | 800 | 300 | 100 | 400 | 2.00 | 500 | 1.60 | 90 |" in page
    )
    assert "| sign | 40 | 40 |" in page
