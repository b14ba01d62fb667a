"""The words of WS-Security, and what two ends agree on about the security header of their messages.

Read by everything named `wsse*`, by adapters and by the simulator. Only values: nothing is written or checked here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

_OASIS = "http://docs.oasis-open.org/wss/"
_X509_PROFILE = _OASIS + "2004/01/oasis-200401-wss-x509-token-profile-1.0"
_USERNAME_PROFILE = _OASIS + "2004/01/oasis-200401-wss-username-token-profile-1.0"
_SOAP_SECURITY_11 = _OASIS + "oasis-wss-soap-message-security-1.1"

WSSE = _OASIS + "2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = _OASIS + "2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSSE11 = _OASIS + "oasis-wss-wssecurity-secext-1.1.xsd"
BASE64_BINARY = _OASIS + "2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

X509V3 = _X509_PROFILE + "#X509v3"
X509_PATH = _X509_PROFILE + "#X509PKIPathv1"
SUBJECT_KEY_IDENTIFIER = _X509_PROFILE + "#X509SubjectKeyIdentifier"
THUMBPRINT_SHA1 = _SOAP_SECURITY_11 + "#ThumbprintSHA1"
PASSWORD_TEXT = _USERNAME_PROFILE + "#PasswordText"
PASSWORD_DIGEST = _USERNAME_PROFILE + "#PasswordDigest"

WSU_ID = f"{{{WSU}}}Id"


class SoapVersion(enum.StrEnum):
    """The two envelopes there are."""

    SOAP11 = "1.1"
    SOAP12 = "1.2"

    @property
    def namespace(self) -> str:
        """The envelope's namespace."""
        return _SOAP_NAMESPACES[self]

    @property
    def actor(self) -> str:
        """The attribute that names for whom a header block is meant."""
        return "actor" if self is SoapVersion.SOAP11 else "role"


_SOAP_NAMESPACES = {
    SoapVersion.SOAP11: "http://schemas.xmlsoap.org/soap/envelope/",
    SoapVersion.SOAP12: "http://www.w3.org/2003/05/soap-envelope",
}


class KeyReference(enum.StrEnum):
    """How a message names the certificate of a key (X.509 token profile 1.1, section 3.2).

    DIRECT, CERTIFICATE and X509_DATA carry the certificate; the others name one that the receiver has.
    """

    DIRECT = "direct"
    SUBJECT_KEY_IDENTIFIER = "subject-key-identifier"
    CERTIFICATE = "certificate"
    THUMBPRINT = "thumbprint"
    ISSUER_SERIAL = "issuer-serial"
    X509_DATA = "x509-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsernameToken:
    """A name with a password (UsernameToken profile 1.1). `digest`: the password is proven and not told."""

    user: str
    password: str = field(repr=False)
    digest: bool = True
    signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderTerms:
    """What a received security header must hold, and nothing else may be in it.

    `key_references`: the ways in which the signer may name its certificate. `timestamp`: False where none is demanded;
    one that is there must be signed and fresh all the same. `username`: a token with these credentials.
    `actor`: for whom the header is marked.
    """

    signature: bool = True
    key_references: frozenset[KeyReference] = frozenset({KeyReference.DIRECT})
    timestamp: bool = True
    username: UsernameToken | None = None
    encrypted: bool = False
    actor: str | None = None


CLOSED = HeaderTerms()
"""Body and Timestamp signed by the certificate in the message."""
