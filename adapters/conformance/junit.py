"""Checks and golden cases as JUnit XML, which every build server reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from lxml import etree

from adapters.cases import CaseResult
from adapters.conformance.checks import Check, Outcome


def report(cases: Sequence[CaseResult], checks: Sequence[Check]) -> bytes:
    """One suite for the golden cases of each agency, one for each operation that was tried."""
    root = etree.Element("testsuites", name="esb adapters test")
    for agency, results in groupby(cases, key=lambda one: one.agency):
        found = list(results)
        suite = _suite(root, f"{agency} golden cases", len(found), sum(bool(one.problems) for one in found), 0)
        for result in found:
            case = etree.SubElement(suite, "testcase", classname=f"{agency}.{result.case.route}", name=result.case.name)
            if result.problems:
                _told(case, "failure", "; ".join(result.problems))
    for operation, tried in groupby(checks, key=lambda one: (one.agency, one.operation)):
        done = list(tried)
        failed = sum(check.outcome is Outcome.FAILED for check in done)
        skipped = sum(check.outcome is Outcome.SKIPPED for check in done)
        suite = _suite(root, " ".join(filter(None, operation)), len(done), failed, skipped)
        for check in done:
            _case(suite, check)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)


def _case(suite: etree._Element, check: Check) -> None:
    name = ".".join(filter(None, (check.agency, check.operation)))
    case = etree.SubElement(suite, "testcase", classname=name, name=check.name, time=f"{check.elapsed_ms / 1000:.4f}")
    if check.outcome is Outcome.FAILED:
        _told(case, "failure", check.detail)
    elif check.outcome is Outcome.SKIPPED:
        _told(case, "skipped", check.detail)
    elif check.detail:
        etree.SubElement(case, "system-out").text = _printable(f"{check.outcome}: {check.detail}")


def _suite(root: etree._Element, name: str, tests: int, failures: int, skipped: int) -> etree._Element:
    return etree.SubElement(
        root, "testsuite", name=name, tests=str(tests), failures=str(failures), errors="0", skipped=str(skipped)
    )


def _told(case: etree._Element, kind: str, message: str) -> None:
    etree.SubElement(case, kind, message=_printable(message))


def _printable(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(character if character.isprintable() else " " for character in text)
