"""Where a compilation writes down what it finds, all of it before it gives up."""

from __future__ import annotations

from collections.abc import Iterable

from esb.model import Finding, Severity
from esb.routes.fields import nearest


class Findings:
    """The findings of one file, in the order they were made."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[Finding] = []
        self.errors = 0
        """How many errors there are so far."""

    def extend(self, findings: Iterable[Finding]) -> None:
        """Take over what a reader found."""
        for finding in findings:
            self._add(finding)

    def error(self, line: int, message: str, *, suggestion: str | None = None) -> None:
        """Something that keeps the file from being used."""
        self._say(Severity.ERROR, line, message, suggestion)

    def unknown(self, line: int, message: str, name: str, known: Iterable[str]) -> None:
        """An error about a name that does not exist, with the one that was probably meant."""
        self._say(Severity.ERROR, line, message, nearest(name, known))

    def warning(self, line: int, message: str) -> None:
        """Something that works and is probably not what was meant."""
        self._say(Severity.WARNING, line, message, None)

    def hint(self, line: int, message: str) -> None:
        """Something that could be tidier."""
        self._say(Severity.HINT, line, message, None)

    def sorted(self) -> tuple[Finding, ...]:
        """All, by line."""
        return tuple(sorted(self._found, key=lambda finding: finding.line))

    def _say(self, severity: Severity, line: int, message: str, suggestion: str | None) -> None:
        self._add(Finding(file=self.file, line=line, message=message, severity=severity, suggestion=suggestion))

    def _add(self, finding: Finding) -> None:
        self._found.append(finding)
        self.errors += finding.severity is Severity.ERROR
