# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTPS to the node's own control plane as root@pam, without a password and with nothing to install.

One start of Perl mints a ticket with PVE's own code; then a call costs 1 to 60 ms where ``pvesh`` costs 500 (PVE facts,
'Cost of a call'). A ticket of root on the loopback must not reach another process on that port while
pveproxy was down, so the answering certificate must be the one that the node keeps.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ..failure import NodeError
from ..waiting import Deadline, retry
from . import tickets
from .client import LostAnswerError, NoAnswerError, PveError, call_text, form_value, refused

PORT = 8006
# pveproxy serves the first of these that exists.
CERTIFICATES = ("/etc/pve/local/pveproxy-ssl.pem", "/etc/pve/local/pve-ssl.pem")
# PVE::AccessControl makes a ticket by these functions of PVE::Ticket and with these keys, which never leave Perl. By
# itself PVE::Ticket loads in 0.02 s, with all of PVE::AccessControl in 0.45 s (PVE facts, 'Cost of a call').
KEYS = ("/etc/pve/priv/authkey.key", "/etc/pve/pve-www.key")
SIGN = (
    'use PVE::Ticket; use Crypt::OpenSSL::RSA; use Digest::SHA; my $u = "root\\@pam"; '
    'my ($private, $www) = map { open(my $file, "<", $_) or die "$_: $!\\n"; local $/; scalar <$file> } @ARGV; '
    "my $key = Crypt::OpenSSL::RSA->new_private_key($private); "
    'print PVE::Ticket::assemble_rsa_ticket($key, "PVE", $u), "\\n"; '
    'print PVE::Ticket::assemble_csrf_prevention_token(Digest::SHA::hmac_sha256_base64($www), $u), "\\n";'
)
# Makes one wherever PVE can, and renews the keys where they are missing or old.
MINT = (
    'use PVE::AccessControl; my $u = "root\\@pam"; '
    'print PVE::AccessControl::assemble_ticket($u), "\\n"; '
    'print PVE::AccessControl::assemble_csrf_prevention_token($u), "\\n";'
)
# The proxy gives up after 30 s itself (596); this only ends a connection that went dead.
TIMEOUT = 60.0
# pveproxy closes a connection that was idle for 5 s, and a write that meets the end of one can't be repeated: an older
# one is replaced beforehand, which costs 21 ms (PVE facts, 'Cost of a call').
IDLE = 2.0
# Pauses in seconds between attempts. An upgrade restarts pvedaemon and pveproxy, which took 6.3 s without answers (PVE
# facts, 'Other') and takes longer on a busy node. The first few are enough to choose another way to the control plane.
RETRIES = (0.2, 0.5, 1.0, 2.0, 4.0, *([5.0] * 17))
BRIEF = 4
# No attempt begins later than so many seconds after the first: each may also hang until its time-out.
OUTAGE = 90.0
# What a proxy answers that found nobody behind it (the call was never sent), or that lost its answer.
UNSENT = (595,)
UNKNOWN = (0, 502, 503, 504, 596, 597)


class UnavailableError(NodeError):
    """This way to the control plane doesn't work here; another may."""


def mint_ticket(is_refused: bool = False) -> tickets.Ticket:
    """A ticket of root@pam and its CSRF token. Raises UnavailableError when the node's Perl can't make one.

    ``is_refused``: PVE takes the last one no more, so PVE::AccessControl has to make the next.
    """
    if not is_refused:
        with contextlib.suppress(UnavailableError):
            return _by_perl(SIGN, *KEYS, seconds=5.0)
    return _by_perl(MINT, seconds=30.0)


def _by_perl(program: str, *args: str, seconds: float) -> tickets.Ticket:
    """What a program of Perl prints."""
    command = ["perl", "-e", program, *args]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"perl: {error}") from None
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) < 2 or not lines[0].startswith("PVE:"):
        raise UnavailableError(f"no ticket from PVE::AccessControl: {done.stderr.strip()[-300:]}")
    return lines[0], lines[1]


def pinned_fingerprint() -> str:
    """SHA-256 of the certificate that the node's pveproxy must answer with."""
    for path in CERTIFICATES:
        if os.path.exists(path):
            try:
                with open(path, encoding="ascii") as file:
                    text = file.read()
                start = text.index("-----BEGIN CERTIFICATE-----")
                end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
                return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[start:end])).hexdigest()
            except (OSError, ValueError) as error:
                raise UnavailableError(f"{path}: {error}") from None
    raise UnavailableError(f"none of {', '.join(CERTIFICATES)} exists")


class UnsentError(NoAnswerError):
    """The call never left this process: repeating it does no harm."""


def _is_unsent(error: Exception) -> bool:
    """Whether a call never reached the control plane."""
    return isinstance(error, UnsentError) or (isinstance(error, PveError) and error.status in UNSENT)


def _is_lost(error: PveError) -> bool:
    """Whether a call may have been carried out, and its answer was lost."""
    return error.status in UNKNOWN and not _is_unsent(error)


class LocalClient:
    """A kept-alive connection to https://127.0.0.1:8006 as root@pam.

    ``brief``: whether to give up soon on a control plane that doesn't answer.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = PORT, brief: bool = False) -> None:
        self.brief = brief
        self._host = host
        self._port = port
        self._connection: http.client.HTTPSConnection | None = None
        self._used = 0.0  # when it last gave an answer
        self._ticket, self._csrf = tickets.shared(mint_ticket)
        self._fingerprint = pinned_fingerprint()

    def request(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """One call. A new ticket is made when this one has expired.

        What failed on its way is repeated until the control plane is back: a read always, a write only when it never
        got there. Raises LostAnswerError for a write whose effect is unknown.
        """
        renewed = False

        def attempt() -> Any:
            nonlocal renewed
            try:
                return self._once(method, path, params)
            except PveError as error:
                if error.status == 401 and not renewed:
                    renewed = True
                    # It lives two hours; or it lacks what this release of PVE asks of one. Such a call did nothing.
                    self._ticket, self._csrf = tickets.shared(lambda: mint_ticket(is_refused=True), self._ticket)
                    return attempt()
                if _is_lost(error) and method != "GET":
                    raise LostAnswerError(error.call, error.status, error.reason, error.errors) from None
                raise

        def again(error: Exception) -> bool:
            lost = isinstance(error, PveError) and not isinstance(error, LostAnswerError) and _is_lost(error)
            return lost or _is_unsent(error)

        return retry(attempt, again, Deadline(OUTAGE), RETRIES[:BRIEF] if self.brief else RETRIES)

    def _connect(self) -> http.client.HTTPSConnection:
        if self._connection is not None and time.monotonic() - self._used > IDLE:
            self.close()
        if self._connection is None:
            # Without the authorities of this machine, which take 30 ms to read: the pinned certificate below says more,
            # and the name can't match an ACME certificate.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection = http.client.HTTPSConnection(self._host, self._port, context=context, timeout=TIMEOUT)
            connection.connect()
            answered = connection.sock.getpeercert(binary_form=True) or b""
            if not self._is_the_nodes(answered):
                connection.close()
                raise UnavailableError(f"port {self._port} answers with a certificate that is not this node's")
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = connection
        return self._connection

    def _is_the_nodes(self, certificate: bytes) -> bool:
        """Whether it is the certificate that the node keeps, which an upgrade may have renewed meanwhile."""
        answered = hashlib.sha256(certificate).hexdigest()
        if answered != self._fingerprint:
            self._fingerprint = pinned_fingerprint()
        return answered == self._fingerprint

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _once(self, method: str, path: str, params: Mapping[str, Any] | None) -> Any:
        call = call_text(method, path, params)
        form = urlencode({key: form_value(value) for key, value in (params or {}).items()})
        headers = {"Cookie": f"PVEAuthCookie={self._ticket}"}
        url, body = f"/api2/json{path}", None
        if method in ("GET", "DELETE"):
            url += f"?{form}" if form else ""
        else:
            body = form
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if method != "GET":
            headers["CSRFPreventionToken"] = self._csrf
        try:
            connection = self._connect()
        except OSError as error:
            raise UnsentError(call, 0, f"no answer from the control plane: {error}") from None
        try:
            connection.request(method, url, body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswerError(call, 0, f"no answer from the control plane: {error or type(error).__name__}") from None
        self._used = time.monotonic()
        return decode(call, answer.status, answer.reason, text)


def decode(call: str, status: int, reason: str, text: str) -> Any:
    """PVE's answer -> its data. A plain failure carries its text as the HTTP reason and, newer, as ``message``."""
    try:
        body = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        body = {}
    body = body if isinstance(body, dict) else {}
    if status == 200 and not body.get("errors"):
        return body.get("data")
    raise refused(call, status, str(body.get("message") or reason or "no reason given"), body.get("errors"))
