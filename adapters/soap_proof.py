"""What proves the messages of one SOAP agency, both ways: manifest, keys and secrets become a signer and a verifier.

Called at load by whoever compiles operations of an agency. What is missing does not keep an adapter from loading: it
is a finding, and every call that needs it fails closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapters.agency_keys import ENCRYPTION, AgencyKeys
from adapters.manifest import Authentication, Manifest
from adapters.manifest_wsse import UNSIGNED, UsernameTerms, WsseTerms
from adapters.secrets import AgencySecrets
from security.errors import KeyUnavailable
from security.keys import Algorithm
from security.wsse import HeaderForm, HeaderTerms, KeyReference, SoapVersion, UsernameToken, WsseSigner, WsseVerifier
from security.xmlenc import ContentCipher, Decryptor, Encryptor, KeyTransport


def secures(manifest: Manifest) -> bool:
    """Whether requests carry a security header."""
    return manifest.authentication is not Authentication.NONE or manifest.wsse is not None


def believes(manifest: Manifest) -> bool:
    """Whether replies are taken as they come: nothing of them is signed."""
    unsigned = manifest.wsse is not None and manifest.wsse.reply == UNSIGNED
    return manifest.authentication is Authentication.NONE or unsigned


def signs(manifest: Manifest) -> bool:
    """Whether requests are signed."""
    return manifest.authentication is Authentication.WSSE_X509


def signer_of(manifest: Manifest, keys: AgencyKeys, secrets: AgencySecrets, version: SoapVersion) -> WsseSigner:
    """What writes the envelopes of requests.

    Raises:
        KeyUnavailable: a key, certificate or secret is missing; with advice.
    """
    wsse = manifest.wsse
    key = None
    if signs(manifest):
        algorithm = manifest.signature.algorithm
        key = keys.signing.get(Algorithm(algorithm))
        if key is None or key.certificate is None:
            raise KeyUnavailable(f"the bus has no {algorithm} key for {manifest.agency}; make one with `esb keys new`")
    if wsse is None:
        return WsseSigner(key, version, ttl_s=manifest.signature.ttl_s)
    token = wsse.username_token
    form = HeaderForm(
        key_reference=KeyReference(wsse.key_reference),
        timestamp=wsse.timestamp,
        username=None if token is None else username_token(token, secrets),
        actor=wsse.actor,
    )
    return WsseSigner(
        key, version, ttl_s=manifest.signature.ttl_s, form=form, encryptor=_encryptor(manifest, wsse, keys)
    )


def verifier_of(
    manifest: Manifest, keys: AgencyKeys, version: SoapVersion, *, whole_body: bool = False
) -> WsseVerifier:
    """What believes the envelopes of replies. Asked only where the agency signs; see `believes`."""
    terms, wsse = manifest.signature, manifest.wsse
    form = HeaderTerms()
    if wsse is not None:
        form = HeaderTerms(
            key_references=frozenset(map(KeyReference, wsse.answering)),
            timestamp=wsse.timestamp,
            encrypted=wsse.encrypted_reply,
        )
    return WsseVerifier(
        keys.anchors_of(manifest.agency),
        version,
        clock_skew_s=terms.clock_skew_s,
        max_age_s=terms.max_age_s,
        require_confirmation=terms.confirmation,
        terms=form,
        decryptor=Decryptor(keys.decrypting) if form.encrypted and keys.decrypting else None,
        whole_body=whole_body,
    )


def username_token(terms: UsernameTerms, secrets: AgencySecrets) -> UsernameToken:
    """The name with its password. Raises KeyUnavailable for a secret that is missing."""
    return UsernameToken(
        user=terms.user,
        password=secrets.secret(terms.password).reveal(),
        digest=terms.type == "digest",
        signed=terms.signed,
    )


def warnings(manifest: Manifest, keys: AgencyKeys, home: Path) -> Iterator[str]:
    """What will make calls fail, or leaves them weaker than they could be."""
    wsse = manifest.wsse
    if manifest.authentication is Authentication.NONE:
        yield "neither requests nor replies are signed"
        return
    if signs(manifest):
        key = keys.signing.get(Algorithm(manifest.signature.algorithm))
        if key is None or key.certificate is None:
            algorithm = manifest.signature.algorithm
            yield f"the bus has no {algorithm} key with a certificate; make one with `esb keys new`"
    if believes(manifest):
        yield "replies are not signed: whoever is on the way to the agency can write them, but for TLS"
    elif not keys.trusts(manifest.agency):
        folder = home / "keys" / "agencies" / manifest.agency
        yield f"no certificate of the agency in {folder}; its replies will be refused"
    if wsse is not None:
        yield from _wsse_warnings(manifest, wsse, keys, home)


def _wsse_warnings(manifest: Manifest, wsse: WsseTerms, keys: AgencyKeys, home: Path) -> Iterator[str]:
    if not wsse.timestamp and not believes(manifest):
        yield "replies need not say when they were signed: an old one is told from a new one by its signature alone"
    if wsse.username_token is not None and wsse.username_token.type == "text":
        yield "the password is told to the agency with every call; type: digest proves it"
    if wsse.encrypt != "none" and keys.encrypting_for(manifest.agency) is None:
        folder = home / "keys" / "agencies" / manifest.agency / ENCRYPTION
        yield f"no RSA certificate to encrypt for in {folder}; calls will fail"
    if wsse.encrypted_reply and not keys.decrypting:
        folder = home / "keys" / "bus" / ENCRYPTION
        yield f"no key in {folder} to open replies with; make one with `esb keys new --for encryption`"


def _encryptor(manifest: Manifest, wsse: WsseTerms, keys: AgencyKeys) -> Encryptor | None:
    if wsse.encrypt == "none":
        return None
    receiver = keys.encrypting_for(manifest.agency)
    if receiver is None or receiver.certificate is None:
        raise KeyUnavailable(f"there is no certificate to encrypt for {manifest.agency}; see `esb adapters list`")
    return Encryptor(
        receiver.certificate,
        cipher=ContentCipher(wsse.encryption.algorithm),
        transport=KeyTransport(wsse.encryption.key_transport),
        reference=KeyReference(wsse.encryption.key_reference),
    )
