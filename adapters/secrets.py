"""The secrets of one agency: passwords, keys and the like that `adapter.yaml` names and `home`/secrets holds.

Read at load by whoever compiles an adapter. A secret that is missing is a warning then, and whoever needs its value
later fails closed with what an operator must do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from esb.model import Finding, Severity
from security import secretfile
from security.errors import KeyUnavailable

NAME_PATTERN: Final = secretfile.NAME
"""For the field table: the form of a secret's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A value that is told only to who asks for it by `reveal`; it is in no text that is made of this object."""

    name: str
    _value: str | None = field(repr=False, compare=False, default=None)
    missing: str = ""

    def reveal(self) -> str:
        """The value. Raises KeyUnavailable, with advice, when it was not there at load."""
        if self._value is None:
            raise KeyUnavailable(self.missing or f"the secret {self.name} is missing")
        return self._value

    @property
    def is_there(self) -> bool:
        """Whether `reveal` has something to tell."""
        return self._value is not None


class AgencySecrets:
    """What one agency's manifest may ask for, read while it is compiled. `findings`: warnings, with advice."""

    def __init__(self, home: Path, agency: str) -> None:
        """Nothing is read before it is asked for."""
        self._home = home
        self._agency = agency
        self._read: dict[str, Secret] = {}
        self.findings: list[Finding] = []

    def secret(self, name: str) -> Secret:
        """The secret of this name, read once. Never raises: what is missing says so when it is needed."""
        if name not in self._read:
            self._read[name] = self._from_file(name)
        return self._read[name]

    def _from_file(self, name: str) -> Secret:
        advice = f"set it with: esb keys secret set {self._agency} {name}"
        try:
            path = secretfile.path_of(self._home, self._agency, name)
            value, exposed = secretfile.read(path)
        except KeyUnavailable as error:
            missing = f"{error.reason}; {advice}"
            self._warn(str(self._home / secretfile.FOLDER / self._agency), missing)
            return Secret(name=name, missing=missing)
        if exposed:
            self._warn(str(path), f"others on this machine may read the secret; run: chmod 600 {path}")
        return Secret(name=name, _value=value)

    def _warn(self, file: str, message: str) -> None:
        self.findings.append(Finding(file=file, line=0, message=message, severity=Severity.WARNING))
