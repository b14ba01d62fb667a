"""The mutual-TLS listener's context: the server's certificate, and which client certificates may come in.

Built by the composition root from `keys/callers` and reloaded with the deployment. It proves that a client holds the
private key of a certificate; whose certificate that is, `stages/authenticate` says.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

from esb.errors import SettingInvalid

_CIPHERS_OF_TLS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ServerTls:
    """A context for `HttpDoor.listen` whose certificates can be exchanged while it listens.

    Clients may come without a certificate (they bring a token then). One that brings a certificate which is not in
    the callers' or the agencies' folder, or has expired, does not get past the handshake.
    """

    def __init__(
        self,
        *,
        certificate: Path,
        key: Path,
        callers: Path,
        agencies: Path | None = None,
        passphrase: str | None = None,
    ) -> None:
        """`callers`: folder with one folder per caller, `*.crt.pem` in each; `agencies`: the same of agencies.

        Raises:
            SettingInvalid: a file cannot be used, but for agencies': what is no certificate lets nobody in.
        """
        self._certificate = certificate
        self._key = key
        self._callers = callers
        self._agencies = agencies
        self._passphrase = passphrase
        self._current = self._load()
        self.context = self._load()
        # A listener keeps the context it was given, so that one hands each new connection to the current one.
        # OpenSSL calls this for clients that name no server, too.
        self.context.sni_callback = self._use_current

    def reload(self) -> None:
        """From the next connection on, use the files as they are now.

        Raises:
            SettingInvalid: a file cannot be used; the certificates that were in use stay in use.
        """
        self.use(self.prepare())

    def prepare(self) -> ssl.SSLContext:
        """The files as they are now, not in use yet. Raises SettingInvalid."""
        return self._load()

    def use(self, prepared: ssl.SSLContext) -> None:
        """From the next connection on, use what was prepared."""
        self._current = prepared

    def _use_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS_OF_TLS_1_2)
        context.set_alpn_protocols(["http/1.1"])
        # A resumed session would skip the check of the client's certificate and so outlive its removal.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_OPTIONAL
        # Callers' certificates are pinned one by one: each is trusted as it is, whoever issued it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self._load_own(context)
        for path in _certificates(self._callers):
            _load_caller(context, path)
        for path in () if self._agencies is None else _certificates(self._agencies):
            # They bring answers. As at load, a file of an agency that cannot be read is no reason not to start.
            with contextlib.suppress(SettingInvalid):
                _load_caller(context, path)
        return context

    def _load_own(self, context: ssl.SSLContext) -> None:
        try:
            # A callable, because OpenSSL would otherwise ask for the passphrase on the terminal.
            context.load_cert_chain(self._certificate, self._key, password=lambda: self._passphrase or "")
        except (OSError, ssl.SSLError) as error:
            raise SettingInvalid(f"tls_certificate {self._certificate} and tls_key {self._key}: {error}") from error


def _certificates(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*/*.crt.pem"))


def _load_caller(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise SettingInvalid(f"{path} is not a certificate in PEM: {error}") from error
