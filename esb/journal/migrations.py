"""The scripts that make the tables of the journal, one per version of the schema, in order.

A database is brought from the version it has to the last one; a script that has been released is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from esb.errors import ConfigurationError

SQLITE = ("sqlite.sql", "sqlite-2.sql", "sqlite-3.sql")
POSTGRES = ("postgres.sql", "postgres-2.sql", "postgres-3.sql")


def scripts(names: Sequence[str], *, since: int = 0) -> Sequence[str]:
    """The texts of all scripts after version `since`.

    Raises:
        ConfigurationError: the database is of a later version than this program knows.
    """
    if since > len(names):
        raise ConfigurationError(f"the journal has schema version {since}, this program knows {len(names)}")
    folder = resources.files("esb.journal")
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in names[since:]]
