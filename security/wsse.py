"""Signed SOAP: WS-Security 1.1 with X.509 and UsernameToken profiles, writing and verifying it in closed forms.

The public names of the modules named `wsse_*`: adapters sign requests and verify replies with these, the simulator does
the reverse. Body and Timestamp are signed; a reply confirms the request's signature (WSS 1.1, section 8.5), which binds
the two. What else a peer demands is said by `HeaderForm` (sent) and `HeaderTerms` (received).
"""

from __future__ import annotations

from security.wsse_signer import HeaderForm, SignedEnvelope, WsseSigner
from security.wsse_terms import HeaderTerms, KeyReference, SoapVersion, UsernameToken
from security.wsse_verifier import VerifiedBody, WsseVerifier

__all__ = [
    "HeaderForm",
    "HeaderTerms",
    "KeyReference",
    "SignedEnvelope",
    "SoapVersion",
    "UsernameToken",
    "VerifiedBody",
    "WsseSigner",
    "WsseVerifier",
]
