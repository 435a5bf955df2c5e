# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control plane of a node from the controller, by proxmoxer: the same interface as on the node itself.

A call that fails raises the same errors, with PVE's words. The certificate is verified by its fingerprint, by an
authority, or not at all where the operator has switched that off.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail

from ...module_utils._node.failure import NodeError
from ...module_utils._node.pve.client import LostAnswerError, NoAnswerError, PveError, call_text, form_value, refused
from ...module_utils._node.waiting import Deadline, retry
from .access import ApiAccess

_Adapter: Any = object
try:
    import requests
    from proxmoxer.backends.https import Backend
    from proxmoxer.core import ProxmoxResource, ResourceException
    from requests.adapters import HTTPAdapter
except ImportError as _error:
    LACKING = str(_error)
else:
    LACKING = ""
    _Adapter = HTTPAdapter
    # Its messages have the parameters of calls.
    logging.getLogger("proxmoxer").setLevel(logging.WARNING)

# Pauses in seconds between attempts: an upgrade restarts pvedaemon and pveproxy, which takes some seconds without
# answers (PVE facts, 'Other').
RETRIES = (0.2, 0.5, 1.0, 2.0, 4.0, *([5.0] * 17))
BRIEF = 2
OUTAGE = 90.0
# The proxy of PVE gives up after 30 s itself; this only ends a connection that went dead.
TIMEOUT = 60
UNAUTHORIZED = 401
# What a proxy answers that lost its answer, or found nobody behind it.
UNKNOWN = (0, 502, 503, 504, 595, 596, 597)


class _Pinned(_Adapter):
    """Accepts the one certificate with a fingerprint, whoever has signed it and for whatever name."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> Any:
        """Make the pool of connections."""
        return super().init_poolmanager(*args, **options, assert_fingerprint=self._fingerprint)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Make the pool of connections through a proxy."""
        return super().proxy_manager_for(proxy, **options, assert_fingerprint=self._fingerprint)


class ApiClient:
    """A kept-alive connection to the API of a node, as the owner of a token.

    ``at`` is how to reach it. Raises AnsibleActionFail where the controller has no proxmoxer.
    """

    def __init__(self, at: ApiAccess) -> None:
        if LACKING:
            raise AnsibleActionFail(
                f"node {at.node} is reached by an API token, and the controller lacks a Python package for that "
                f"({LACKING}). For the Python of ansible-core: pip install 'proxmoxer>=2.0' requests"
            )
        self._at = at
        self.record_key = at.record_key
        self.user = f"{at.user}!{at.token_id}"
        self._answered = False
        verify: bool | str = False if at.fingerprint else (at.ca or at.validate_certs)
        backend = Backend(
            # It takes what follows a colon for a port.
            f"[{at.host}]" if ":" in at.host and not at.host.startswith("[") else at.host,
            user=at.user,
            port=at.port,
            token_name=at.token_id,
            token_value=at.token_secret,
            verify_ssl=verify,
            timeout=TIMEOUT,
        )
        self._session = backend.get_session()
        self._session.hooks["response"] = self._keep
        self._answer: Any = None
        if at.fingerprint:
            self._session.mount("https://", _Pinned(at.fingerprint))
        self._root = ProxmoxResource(
            base_url=backend.get_base_url(), session=self._session, serializer=backend.get_serializer()
        )

    def _keep(self, answer: Any, **_options: Any) -> None:
        """Keep an answer as it came: proxmoxer drops the text that does not fit into the line of the status."""
        self._answer = answer

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def request(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """One call below /api2/json. Returns ``data``. Raises PveError, and NodeError for a certificate.

        A read without an answer is repeated until the control plane is back, and so is a write that nobody got. A node
        that has not answered at all yet is given up soon.
        """

        def again(error: Exception) -> bool:
            return isinstance(error, NoAnswerError) and not isinstance(error, LostAnswerError)

        pauses = RETRIES if self._answered else RETRIES[:BRIEF]
        found = retry(lambda: self._once(method, path, params), again, Deadline(OUTAGE), pauses)
        self._answered = True
        return found

    def _once(self, method: str, path: str, params: Mapping[str, Any] | None) -> Any:
        call = call_text(method, path, params)
        form = {key: form_value(value) for key, value in (params or {}).items()}
        resource = self._root(path.strip("/").split("/"))
        self._answer = None
        try:
            found = getattr(resource, method.lower())(**form)
            unread = isinstance(found, Mapping) and found.get("errors") is self._answer.content
            if _is_json(self._answer) and not unread:
                return found
            raise self._foreign()
        except ResourceException as error:
            raise self._refused(call, method, error) from None
        except (KeyError, TypeError, AttributeError):  # JSON of another form
            raise self._foreign() from None
        except requests.exceptions.SSLError as error:
            raise self._insecure(error) from None
        except requests.exceptions.RequestException as error:
            sent = not isinstance(error, requests.exceptions.ConnectTimeout) and "NewConnectionError" not in str(error)
            kind = LostAnswerError if sent and method != "GET" else NoAnswerError
            raise kind(call, 0, f"no answer from {self._place}: {_words(error)}") from None
        except OSError as error:  # the file of the authority can't be read
            why = f"node {self._at.node}: the authority of the entry api (ca) can't be used: {_words(error)}"
            raise NodeError(why, remedy="give the path of a certificate in PEM form on the controller") from None

    @property
    def _place(self) -> str:
        return f"https://{self._at.host}:{self._at.port}"

    def _foreign(self) -> NodeError:
        """The error of an answer that is none of Proxmox VE: a proxy, or another server at that address."""
        status, kind = getattr(self._answer, "status_code", 0), _type_of(self._answer)
        return NodeError(
            f"node {self._at.node}: {self._place} does not answer as Proxmox VE does (status {status}, {kind})",
            remedy=_OTHER_SERVER,
        )

    def _insecure(self, error: Exception) -> NodeError:
        words = _words(error)
        if any(word in words.lower() for word in ("certificate", "fingerprint")):
            return NodeError(self._certificate(error), remedy=_CERTIFICATE)
        return NodeError(
            f"node {self._at.node}: {self._place} agrees on no encrypted connection ({words})", remedy=_OTHER_SERVER
        )

    def _certificate(self, error: Exception) -> str:
        at = self._at
        by = "the fingerprint in the inventory source" if at.fingerprint else at.ca or "the authorities of this system"
        return (
            f"node {at.node}: https://{at.host}:{at.port} answers with a certificate that {by} does not verify "
            f"({_words(error)})"
        )

    def _refused(self, call: str, method: str, error: Any) -> PveError:
        """PVE's refusal. Its words are the reason of the status line."""
        status = int(error.status_code)
        reason = _message(self._answer) or str(error.content or "no reason given").split(" - {", maxsplit=1)[0]
        errors = error.errors if isinstance(error.errors, Mapping) else {}
        fields = {str(key): str(text) for key, text in errors.items() if isinstance(text, str)}
        if status == UNAUTHORIZED:
            reason = f"{reason} (token {self._at.credential}: its secret, or the time at which it or its user expires)"
        if status in UNKNOWN:
            reason = f"{reason} from {self._place}"
            if not _is_json(self._answer):
                reason += f", but not from Proxmox VE ({_type_of(self._answer)}): check what is in between"
            return (NoAnswerError if method == "GET" else LostAnswerError)(call, status, reason, fields)
        return refused(call, status, reason, fields)


_CERTIFICATE = (
    "compare it with the node (openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem), then correct "
    "fingerprint or ca of the entry api"
)


_OTHER_SERVER = (
    "check host and port of the entry api: pveproxy listens at port 8006, and what is in between must pass on its "
    "answers unchanged"
)


def _type_of(answer: Any) -> str:
    """The type of the content of an answer, in one short word."""
    return str(getattr(answer, "headers", {}).get("Content-Type") or "no type").partition(";")[0][:40]


def _is_json(answer: Any) -> bool:
    return "json" in _type_of(answer).lower()


def _message(answer: Any) -> str:
    """The whole text of a refusal, which newer versions of Proxmox VE give beside its first line; '' without it."""
    try:
        body = answer.json()
    except (AttributeError, ValueError, RecursionError):
        return ""
    found = body.get("message") if isinstance(body, Mapping) else None
    return found.strip() if isinstance(found, str) else ""


def _words(error: BaseException) -> str:
    """The cause of an error of requests, in one short line: each library wraps the error of the one below."""
    below = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
    below = below or getattr(error, "reason", None)
    if isinstance(below, BaseException):
        return _words(below)
    return " ".join(str(error).split())[:300]
