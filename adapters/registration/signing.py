"""A bundle with its agency's signature: what `esb adapters pack` writes and `submit` believes.

The file is one line of JSON and then the archive itself. The signature is a detached JWS over the archive's bytes by a
key whose certificate (or bare public key) is registered for the agency under `home`/keys/agencies. A simulator's key
proves nobody here, in no environment.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from adapters.agency_keys import AgencyKeys
from adapters.registration import bundle as bundles
from adapters.registration.bundle import Bundle
from esb.errors import RegistrationRefused
from security import certificates, jws, keys
from security.errors import SecurityError
from security.keys import SigningKey, VerifyingKey

FORMAT: Final = 1
MAX_HEAD_BYTES: Final = 32 * 1024


class Proof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who answers for a bundle. `certificate`: DER in base64, of the key that made `signature`, where it has one."""

    signature: str
    certificate: str | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of a signed bundle."""

    esb_bundle: int
    proof: Proof


def sign(bundle: Bundle, key: SigningKey) -> Proof:
    """The proof by this key, which is named by its thumbprint: file names differ between agency and bus."""
    named = dataclasses.replace(key, kid=_thumbprint(key.verifying()))
    certificate = None if key.certificate is None else certificates.der_of(key.certificate)
    return Proof(
        signature=jws.sign_detached(bundle.content, named),
        certificate=None if certificate is None else base64.b64encode(certificate).decode(),
    )


def pack(bundle: Bundle, proof: Proof) -> bytes:
    """The signed bundle as one file."""
    return msgspec.json.encode(Head(esb_bundle=FORMAT, proof=proof)) + b"\n" + bundle.content


def unpack(content: bytes) -> tuple[Bundle, Proof]:
    """The bundle and the proof that came with it; nothing is believed yet. Raises RegistrationRefused."""
    line, separator, archive = content.partition(b"\n")
    if not separator or len(line) > MAX_HEAD_BYTES:
        raise RegistrationRefused("not a signed bundle: make one with `esb adapters pack`")
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RegistrationRefused("not a signed bundle: make one with `esb adapters pack`") from error
    if head.esb_bundle != FORMAT:
        raise RegistrationRefused(f"the bundle is of format {head.esb_bundle}, this program knows {FORMAT}")
    return bundles.read(archive), head.proof


def prove(content: bytes, proof: Proof, agency: str, known: AgencyKeys, *, at: datetime) -> str:
    """Whose key signed exactly these bytes: its thumbprint. `at`: when the key's certificate must have been in date.

    Raises:
        RegistrationRefused: no key that is registered for the agency made this signature.
    """
    trusted = {_thumbprint(key): key for key in _registered(proof, agency, known, at)}
    if not trusted:
        raise RegistrationRefused(
            f"no key of {agency} is registered: put its certificate into keys/agencies/{agency}/ below the home"
        )
    try:
        return jws.verify_detached(content, proof.signature, trusted)
    except SecurityError as error:
        raise RegistrationRefused(
            f"the bundle is not signed by a registered key of {agency}: {error.reason}"
        ) from error


def _registered(proof: Proof, agency: str, known: AgencyKeys, at: datetime) -> Iterator[VerifyingKey]:
    anchors = known.registered_anchors_of(agency)
    if proof.certificate is not None:
        try:
            der = base64.b64decode(proof.certificate, validate=True)
            _refuse_simulator(der, agency, known)
            yield anchors.leaf(der, at).key
        except (binascii.Error, ValueError) as error:
            raise RegistrationRefused("the signer's certificate cannot be read") from error
        except SecurityError as error:
            raise RegistrationRefused(f"the signer's certificate is not one of {agency}'s: {error.reason}") from error
        return
    # A bare public key, which an operator has put there as such; one with a certificate has to show it.
    yield from (key for key in known.registered_keys_of(agency) if key.certificate is None)


def _refuse_simulator(der: bytes, agency: str, known: AgencyKeys) -> None:
    if known.is_simulators(der):
        raise RegistrationRefused(
            f"the bundle is signed by the simulator's key, which speaks for nobody: sign it with {agency}'s own key,"
            f" whose certificate lies in keys/agencies/{agency}/ below the home"
        )


def _thumbprint(key: VerifyingKey) -> str:
    return keys.thumbprint(key.public).hex()
