"""What stands in a scaffold where only the agency knows the truth: written by the scaffold, refused by the rules."""

from __future__ import annotations

from typing import Final

PLACEHOLDER: Final = "FILL IN"
"""How every value begins that a person must give."""

RESERVED: Final = ".invalid"
"""How an address ends that is nobody's (RFC 2606, section 2)."""

PLACEHOLDER_ADDRESS: Final = f"fill-in@agency{RESERVED}"
"""The e-mail address that stands for one that a person must give."""


def is_placeholder(text: str) -> bool:
    """Whether a value, or a constant in a mapping, is still to be given."""
    return text.lstrip("'").startswith(PLACEHOLDER) or text.endswith(RESERVED) or not text.strip()
