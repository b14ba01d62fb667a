"""Private and public keys: making, storing, loading and using them.

Used by every signature format of this package, by `esb keys` and by the demo. A private key never leaves this module
except encrypted or into a file of mode 0600.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from security.errors import KeyUnavailable, SignatureInvalid

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

MIN_RSA_BITS = 2048

ENCRYPTION_FOLDER = "encryption"
"""Of what is for encryption alone, beside what is for signing: no key does both."""

_KEY = ".key.pem"
_CERTIFICATE = ".crt.pem"
_PUBLIC = ".pub.pem"

_SHA256 = hashes.SHA256()
_ECDSA = ec.ECDSA(_SHA256)
_PKCS1V15 = padding.PKCS1v15()

_COORDINATE_BYTES = 32
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Algorithm(enum.StrEnum):
    """The closed set of signature algorithms, by their JOSE names. Nothing else is made or accepted."""

    ES256 = "ES256"
    RS256 = "RS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyingKey:
    """A public key under the name it is known by. `certificate`, when set, is where the key comes from."""

    kid: str
    algorithm: Algorithm
    public: PublicKey
    certificate: x509.Certificate | None = None

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return when `signature` (ES256: r || s, 64 bytes) was made over `data` by this key.

        Raises:
            SignatureInvalid: it was not.
        """
        try:
            if isinstance(self.public, ec.EllipticCurvePublicKey):
                self.public.verify(_der_of_raw(signature), data, _ECDSA)
            else:
                self.public.verify(signature, data, _PKCS1V15, _SHA256)
        except InvalidSignature as error:
            raise SignatureInvalid("signature does not verify") from error

    def fingerprint(self, signature: bytes) -> bytes:
        """SHA-256 that names a verified signature; use it, and not the signature, to notice a replay.

        Whoever has seen the ECDSA signature (r, s) can write down (r, n - s), which verifies as well: both get the
        same fingerprint.
        """
        if self.algorithm is Algorithm.ES256:
            s = int.from_bytes(signature[_COORDINATE_BYTES:], "big")
            signature = signature[:_COORDINATE_BYTES] + min(s, _P256_ORDER - s).to_bytes(_COORDINATE_BYTES, "big")
        return hashlib.sha256(signature).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key with its name and, where it has one, its certificate."""

    kid: str
    algorithm: Algorithm
    private: PrivateKey = field(repr=False)
    certificate: x509.Certificate | None = None

    def sign(self, data: bytes) -> bytes:
        """The signature as JWS and XML signatures want it: ES256 is r || s in 64 bytes, RS256 is PKCS #1 v1.5."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.private.sign(data, _ECDSA))
            return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
        return self.private.sign(data, _PKCS1V15, _SHA256)

    def verifying(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(
            kid=self.kid, algorithm=self.algorithm, public=self.private.public_key(), certificate=self.certificate
        )


# --- making and storing ----------------------------------------------------------------------------------


def generate(algorithm: Algorithm, now: datetime) -> SigningKey:
    """A new key without certificate; its `kid` sorts by time of making."""
    private: PrivateKey
    if algorithm is Algorithm.ES256:
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=MIN_RSA_BITS)
    return SigningKey(kid=_kid(private.public_key(), now), algorithm=algorithm, private=private)


def save(key: SigningKey, folder: Path, *, passphrase: str) -> None:
    """Write `<kid>.key.pem` (mode 0600, whole or not at all) and its `<kid>.crt.pem`, or `<kid>.pub.pem` without one.

    Never overwrites a private key. An empty `passphrase` leaves protection to the file mode.

    Raises:
        KeyUnavailable: a key of that name exists, or the folder cannot be written.
    """
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    pem = key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The certificate first: a reader that sees the private key finds its certificate beside it.
        _write_public_half(key, folder)
        _write_once(folder / (key.kid + _KEY), pem)
    except OSError as error:
        raise KeyUnavailable(f"cannot write key {key.kid} to {folder}: {error.strerror}") from error


def write_public(key: VerifyingKey, path: Path) -> None:
    """Write the public key as PEM."""
    path.write_bytes(public_pem(key.public))


def public_pem(public: PublicKey) -> bytes:
    """SubjectPublicKeyInfo in PEM."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


# --- loading ---------------------------------------------------------------------------------------------


def load_signing(path: Path, *, passphrase: str) -> SigningKey:
    """The private key of `<kid>.key.pem`, with the certificate `<kid>.crt.pem` beside it when there is one.

    Raises:
        KeyUnavailable: missing, readable by others, wrong passphrase, too weak, or the certificate is another key's.
    """
    kid = path.name.removesuffix(_KEY)
    try:
        private = serialization.load_pem_private_key(
            read_private(path), password=passphrase.encode() if passphrase else None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnavailable(f"cannot read {path}: not a private key, or ESB_KEY_PASSPHRASE does not fit") from error
    if not isinstance(private, PrivateKey):
        raise KeyUnavailable(f"{path} is not an RSA or P-256 key")
    certificate = _certificate_beside(path.with_name(kid + _CERTIFICATE))
    if certificate is not None and certificate.public_key() != private.public_key():
        raise KeyUnavailable(f"{path} does not belong to the certificate beside it")
    return SigningKey(kid=kid, algorithm=algorithm_of(private.public_key()), private=private, certificate=certificate)


def active(folder: Path, *, passphrase: str) -> SigningKey:
    """The newest key of a folder: the highest kid in sort order.

    Raises:
        KeyUnavailable: the folder has none, or the newest cannot be used; an older one is never taken instead.
    """
    paths = sorted(folder.glob("*" + _KEY), key=lambda path: path.name)
    if not paths:
        raise KeyUnavailable(f"no private key in {folder}; make one with `esb keys new`")
    return load_signing(paths[-1], passphrase=passphrase)


def load_verifying_keys(folder: Path) -> tuple[VerifyingKey, ...]:
    """Every public key of a folder, sorted by kid: from `<kid>.pub.pem` and `<kid>.crt.pem`.

    A missing folder has no keys. Where both files exist for a kid the certificate wins, as it knows its end.

    Raises:
        KeyUnavailable: a file cannot be read as what its name says.
    """
    found = {path.name.removesuffix(_PUBLIC): load_public(path) for path in folder.glob("*" + _PUBLIC)}
    found |= {path.name.removesuffix(_CERTIFICATE): _load_certified(path) for path in folder.glob("*" + _CERTIFICATE)}
    return tuple(found[kid] for kid in sorted(found))


def algorithm_of(public: object) -> Algorithm:
    """The one algorithm a public key may be used with.

    Raises:
        KeyUnavailable: no algorithm of the closed set fits (another curve, short RSA, a foreign kind).
    """
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        return Algorithm.ES256
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= MIN_RSA_BITS:
        return Algorithm.RS256
    raise KeyUnavailable(f"a key must be P-256, or RSA of at least {MIN_RSA_BITS} bits")


def verifying_key(kid: str, public: object, certificate: x509.Certificate | None = None) -> VerifyingKey:
    """A public key as a value, checked by `algorithm_of`. Raises KeyUnavailable."""
    algorithm = algorithm_of(public)
    assert isinstance(public, PublicKey)  # noqa: S101 - algorithm_of has just seen to it; this tells the type checker
    return VerifyingKey(kid=kid, algorithm=algorithm, public=public, certificate=certificate)


# --- names -----------------------------------------------------------------------------------------------


def thumbprint(public: PublicKey) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo: the same for a key, whatever certificate or name it goes by."""
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def jwk(key: VerifyingKey) -> dict[str, str]:
    """The public JWK (RFC 7517) for `/.well-known/jwks.json`, with `kid`, `alg` and `use`."""
    common = {"kid": key.kid, "alg": str(key.algorithm), "use": "sig"}
    if isinstance(key.public, ec.EllipticCurvePublicKey):
        point = key.public.public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": _base64url(point.x, 32), "y": _base64url(point.y, 32), **common}
    numbers = key.public.public_numbers()
    size = (key.public.key_size + 7) // 8
    exponent_size = (numbers.e.bit_length() + 7) // 8
    return {"kty": "RSA", "n": _base64url(numbers.n, size), "e": _base64url(numbers.e, exponent_size), **common}


def from_jwk(entry: Mapping[str, str]) -> VerifyingKey:
    """The public key of a JWK that `jwk` wrote.

    Raises:
        KeyUnavailable: it is not such a one, or its `alg` is not the key's.
    """
    try:
        public = _public_of(entry)
        kid, algorithm = entry["kid"], entry["alg"]
    except (KeyError, ValueError) as error:
        raise KeyUnavailable("not a public JWK of a P-256 or RSA key") from error
    key = verifying_key(kid, public)
    if key.algorithm != algorithm:
        raise KeyUnavailable("the JWK's alg is not its key's")
    return key


def _public_of(entry: Mapping[str, str]) -> PublicKey:
    if entry["kty"] == "RSA":
        return rsa.RSAPublicNumbers(n=_number(entry["n"]), e=_number(entry["e"])).public_key()
    if entry["kty"] == "EC" and entry["crv"] == "P-256":
        point = ec.EllipticCurvePublicNumbers(_number(entry["x"]), _number(entry["y"]), ec.SECP256R1())
        return point.public_key()
    raise ValueError


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _kid(public: PublicKey, now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{thumbprint(public).hex()[:8]}"


def _base64url(number: int, size: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


# --- files -----------------------------------------------------------------------------------------------


def _write_public_half(key: SigningKey, folder: Path) -> None:
    if key.certificate is None:
        write_public(key.verifying(), folder / (key.kid + _PUBLIC))
        return
    (folder / (key.kid + _CERTIFICATE)).write_bytes(key.certificate.public_bytes(serialization.Encoding.PEM))


def _write_once(path: Path, content: bytes) -> None:
    # Written aside and linked into place: the name appears with its whole content, and link, unlike rename, refuses
    # to replace a key that is there.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(aside)
    finally:
        aside.unlink()


def read_private(path: Path) -> bytes:
    """The content of a file that its owner alone may read. Raises KeyUnavailable."""
    try:
        with path.open("rb") as file:
            # The mode of the open file, not of the name: the name may be another file by now.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyUnavailable(f"{path} can be read by others; run: chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}; make a key with `esb keys new`") from error


def _certificate_beside(path: Path) -> x509.Certificate | None:
    return load_certificate(path) if path.exists() else None


def load_certificate(path: Path) -> x509.Certificate:
    """The one certificate of a PEM file. Raises KeyUnavailable."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise KeyUnavailable(f"{path} is not a PEM certificate") from error


def _load_certified(path: Path) -> VerifyingKey:
    certificate = load_certificate(path)
    return verifying_key(path.name.removesuffix(_CERTIFICATE), certificate.public_key(), certificate)


def load_public(path: Path) -> VerifyingKey:
    """The public key of `<kid>.pub.pem`. Raises KeyUnavailable."""
    try:
        public = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnavailable(f"{path} is not a PEM public key") from error
    return verifying_key(path.name.removesuffix(_PUBLIC), public)


def _der_of_raw(signature: bytes) -> bytes:
    # Exactly 64 bytes: a longer form would be a second spelling of the same signature.
    if len(signature) != 2 * _COORDINATE_BYTES:
        raise SignatureInvalid("signature has the wrong length")
    r = int.from_bytes(signature[:_COORDINATE_BYTES], "big")
    s = int.from_bytes(signature[_COORDINATE_BYTES:], "big")
    return encode_dss_signature(r, s)
