"""The bench runs: what it says about speed is nobody's business here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.values import Results

ROOT = Path(__file__).parents[3]


def test_a_quick_bench_of_the_embedded_bus_ends_with_a_ratio_for_each_size(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--case", "embedded", "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-2:]
    assert all(re.fullmatch(r"\(c\) .*, (2|10) kB: ratio to floor: \d+\.\d\d", line) for line in last), last
    results = msgspec.json.decode((tmp_path / "latest.json").read_bytes(), type=Results)
    assert [result.question.size for result in results.cases] == ["2 kB", "10 kB"]
    assert all(run.cpu_us > 0 for result in results.cases for run in result.runs)
    assert (tmp_path / "latest.md").exists()
    assert (tmp_path / "latest.png").exists()
