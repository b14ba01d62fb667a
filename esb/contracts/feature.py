"""One thing that a contract or a manifest may say, as the generated table of the documents shows it."""

from __future__ import annotations

from typing import Protocol


class Feature(Protocol):
    """A few lines that are really compiled."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def outcome(self) -> tuple[bool, str]:
        """Whether it is read, and the hints or the refusal in words."""
        ...
