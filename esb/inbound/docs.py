"""The documentation page at `/docs`: one self-contained HTML page that renders `/openapi.json` in the browser.

Called by the HTTP door. It loads nothing from anywhere else and runs only the one script whose digest is in its
content security policy.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

import msgspec

_FOLDER = Path(__file__).parent / "static"


class DocsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page and the header that must go with it."""

    body: bytes
    content_security_policy: str


@functools.cache
def page() -> DocsPage:
    """The page, put together once per process."""
    style = _read("docs.css")
    script = _read("docs.js")
    html = _read("docs.html").replace("/*style*/", style).replace("/*script*/", script)
    return DocsPage(
        body=html.encode(),
        content_security_policy=(
            f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
