"""Counts in memory, summed over workers, in a form that Prometheus reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from esb.telemetry.metrics import FAMILIES, Metrics

OTHER_WORKER = """
import sys
from pathlib import Path
from esb.telemetry.metrics import Metrics
metrics = Metrics(folder=Path(sys.argv[1]))
metrics.exchange_began()
metrics.exchange_finished("person.identity", "OK", 0.02)
metrics.breaker_state("mkr", is_open=True)
metrics.flush()
print("flushed", flush=True)
sys.stdin.read()
"""


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_every_family_is_told_even_before_anything_happened() -> None:
    told = {family.name for family in text_string_to_metric_families(Metrics().exposition().decode())}
    assert {family.name for family in FAMILIES} <= told


def test_an_exchange_falls_into_its_bucket() -> None:
    metrics = Metrics()
    for elapsed_s in (0.004, 0.02, 0.02, 99.0):
        metrics.exchange_finished("person.identity", "OK", elapsed_s)
    labels = (("route", "person.identity"), ("status", "OK"))
    told = samples(metrics)
    assert told["esb_exchange_seconds_count", labels] == 4
    assert told["esb_exchange_seconds_bucket", (("le", "0.005"), *labels)] == 1
    assert told["esb_exchange_seconds_bucket", (("le", "0.025"), *labels)] == 3
    assert told["esb_exchange_seconds_bucket", (("le", "30.0"), *labels)] == 3
    assert told["esb_exchange_seconds_bucket", (("le", "+Inf"), *labels)] == 4
    assert abs(told["esb_exchange_seconds_sum", labels] - 99.044) < 1e-9


def test_a_value_on_the_border_counts_below_it() -> None:
    metrics = Metrics()
    metrics.exchange_finished("a.b", "OK", 0.005)
    assert samples(metrics)["esb_exchange_seconds_bucket", (("le", "0.005"), ("route", "a.b"), ("status", "OK"))] == 1


def test_gauges_go_up_and_down() -> None:
    metrics = Metrics()
    metrics.exchange_began()
    metrics.exchange_began()
    metrics.exchange_left()
    metrics.outbox_pending(7)
    metrics.breaker_state("mkr", is_open=True)
    metrics.breaker_state("din-reg", is_open=False)
    metrics.routes_loaded(6)
    told = samples(metrics)
    assert told["esb_in_flight", ()] == 1
    assert told["esb_outbox_pending", ()] == 7
    assert told["esb_breaker_open", (("agency", "mkr"),)] == 1
    assert told["esb_breaker_open", (("agency", "din-reg"),)] == 0


def test_everything_else_that_is_counted_is_told() -> None:
    metrics = Metrics()
    metrics.agency_call("mkr", "GetCredits", "answered", 0.1)
    metrics.journal_commit(12, 0.002)
    metrics.refused("request.schema")
    metrics.parked("person.identity")
    metrics.published("confirmed", 3)
    told = samples(metrics)
    assert (
        told["esb_agency_call_seconds_count", (("agency", "mkr"), ("operation", "GetCredits"), ("outcome", "answered"))]
        == 1
    )
    assert told["esb_journal_commit_records_sum", ()] == 12
    assert told["esb_refusals_total", (("code", "request.schema"),)] == 1
    assert told["esb_parked_total", (("route", "person.identity"),)] == 1
    assert told["esb_published_total", (("outcome", "confirmed"),)] == 3


def test_labels_with_odd_characters_do_not_break_the_format() -> None:
    metrics = Metrics()
    metrics.refused('a"b\\c\nd')
    assert samples(metrics)["esb_refusals_total", (("code", 'a"b\\c\nd'),)] == 1


def test_workers_are_summed_and_counters_of_a_dead_one_stay(tmp_path: Path) -> None:
    metrics = Metrics(folder=tmp_path)
    metrics.exchange_began()
    metrics.exchange_finished("person.identity", "OK", 0.02)
    metrics.flush()
    count = ("esb_exchange_seconds_count", (("route", "person.identity"), ("status", "OK")))
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_WORKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"flushed\n"
        both = samples(metrics)
        assert (both[count], both["esb_in_flight", ()]) == (2, 2)
        assert both["esb_breaker_open", (("agency", "mkr"),)] == 1
        worker.kill()
    alone = samples(metrics)
    assert (alone[count], alone["esb_in_flight", ()]) == (2, 1)
    assert ("esb_breaker_open", (("agency", "mkr"),)) not in alone


def test_a_file_that_cannot_be_read_does_not_hide_the_rest(tmp_path: Path) -> None:
    metrics = Metrics(folder=tmp_path)
    metrics.exchange_began()
    (tmp_path / "1.json").write_bytes(b"{half")
    (tmp_path / "2.json").write_bytes(b'{"pid":2,"families":{"esb_in_flight":[[["x"],[1]]],"esb_gone":[]}}')
    assert samples(metrics)["esb_in_flight", ()] == 1
