"""The noun `adapters`, to which each file of verbs adds its own, and what several of them ask."""

from __future__ import annotations

from pathlib import Path

from esb.commands.shell import fail, group
from esb.settings import Settings

app = group("adapters", "Agency systems connected to the bus.")


def require_known(settings: Settings, agency: str) -> None:
    """End with wrong use when no folder of adapters has this name."""
    known = sorted(path.parent.name for path in Path(settings.adapters).glob("*/adapter.yaml"))
    if agency not in known:
        fail(f"no adapter {agency!r}; there are: {', '.join(known)}", code=2)


def require_there(settings: Settings, name: str) -> None:
    """End with wrong use when no folder of adapters has this name and none with a manifest lies there."""
    if not (Path(name) / "adapter.yaml").is_file():
        require_known(settings, name)
