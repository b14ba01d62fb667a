"""Every way in which a security check says no.

Raised by this package only. Each class carries facts as fields; what a caller is told, and whether the bus
retries or parks, is decided by the one table in `esb/faults.py`. No message holds a secret or a payload.
"""

from __future__ import annotations


class SecurityError(Exception):
    """A check failed; nothing of what was being checked may be used."""

    def __init__(self, reason: str) -> None:
        """`reason` is a short technical phrase for the log and the operator; it never quotes input data."""
        super().__init__(reason)
        self.reason = reason


class KeyUnavailable(SecurityError):
    """A private or public key that is needed cannot be read."""


class CertificateRejected(SecurityError):
    """A certificate is expired, not yet valid, not pinned or not chained to the trust anchor."""


class SignatureMissing(SecurityError):
    """What must be signed is not, or a required part is not covered."""


class SignatureInvalid(SecurityError):
    """A signature is wrong, wrapped, or made with an algorithm outside the closed profile."""


class DecryptionFailed(SignatureInvalid):
    """An encrypted part opens with no key that is here, was changed, or is outside the closed profile.

    One class and, once a key is used, one reason for all: which step failed is what a padding oracle asks.
    """


class TokenInvalid(SecurityError):
    """A caller's bearer token is malformed, expired, for another audience, or wrongly signed."""


class MessageStale(SecurityError):
    """A signed message lies outside the accepted time window."""


class MessageReplayed(SecurityError):
    """A token or signed message was seen before."""


class XmlRefused(SecurityError):
    """XML with a DTD, an entity, too much depth, too much size, or not well-formed."""


class ChainBroken(SecurityError):
    """The journal's hash chain does not hold: changed, removed, inserted or cut off."""

    def __init__(self, reason: str, *, chain: str, seq: int) -> None:
        """`chain` and `seq` name the first record that does not fit."""
        super().__init__(reason)
        self.chain = chain
        self.seq = seq
