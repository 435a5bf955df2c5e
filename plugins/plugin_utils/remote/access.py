# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a node is reached by an API token: the entry `api` of the inventory source, and the variables PROXMOX_*.

The entry comes first, then the environment, whose names are those of community.proxmox. The secret of the token is
read when the connection is made. It is in no variable of a host: those hold a reference to the inventory source.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleActionFail

from ..config.documents.api_entry import RECORD_KEY, VARIABLE

ENVIRONMENT = {
    "host": "PROXMOX_HOST",
    "port": "PROXMOX_PORT",
    "user": "PROXMOX_USER",
    "token_id": "PROXMOX_TOKEN_ID",
    "token_secret": "PROXMOX_TOKEN_SECRET",
    "validate_certs": "PROXMOX_VALIDATE_CERTS",
    "ca": "PROXMOX_CA_PATH",
}
PORT = 8006
_KEY_LENGTH = 16
_SIGNS = re.compile(r"[!-~]+\Z")
_OFF = ("0", "no", "n", "off", "false", "f")


@dataclass(frozen=True)
class ApiAccess:
    """Where the API of a node is, who asks it, and how its certificate is verified.

    Attributes:
        fingerprint: SHA-256 of the certificate, 64 hexadecimal digits; empty without one.
        ca: the file of the authority that signed the certificate; empty for those of the system.
        validate_certs: false only where the operator has switched the verification off.
        record_key: seals the records in descriptions; empty without one.
    """

    node: str
    host: str
    user: str
    token_id: str
    token_secret: str = field(repr=False)
    port: int = PORT
    fingerprint: str = ""
    ca: str = ""
    validate_certs: bool = True
    record_key: bytes = field(default=b"", repr=False)

    @property
    def credential(self) -> str:
        """The token as PVE names it."""
        return f"{self.user}!{self.token_id}"

    @property
    def verified(self) -> bool:
        """Whether the certificate is verified."""
        return bool(self.fingerprint) or self.validate_certs


def entry_of(variables: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the entry of a node that is reached by a token, None for one that is reached by SSH."""
    found = variables.get(VARIABLE)
    return found if isinstance(found, Mapping) else None


def access_of(
    node: str,
    entry: Mapping[str, Any],
    reveal: Callable[[Any], Any],
    address: str = "",
    environment: Mapping[str, str] | None = None,
) -> ApiAccess:
    """Return how a node is reached. Raises AnsibleActionFail, which names everything that lacks.

    Args:
        node: its name in the inventory.
        entry: what `entry_of` found.
        reveal: gives the value of a reference to a secret.
        address: the node's own, for an entry without host.
        environment: the variables of the environment, by default those of this process.
    """
    given = os.environ if environment is None else environment
    values = {name: given[variable] for name, variable in ENVIRONMENT.items() if given.get(variable)}
    values.update((str(name), value) for name, value in entry.items() if value is not None)
    values.setdefault("host", address)
    lacking = [
        f"{name} (or {ENVIRONMENT[name]})"
        for name in ("host", "user", "token_id", "token_secret")
        if not values.get(name)
    ]
    if lacking:
        raise AnsibleActionFail(
            f"node {node}: the entry api of the inventory source has no {', '.join(lacking)}; expected the address of "
            f"the node and an API token. Write it into nodes.{node}.api, or set the variable of the environment."
        )
    user, token_id = _token(str(values["user"]).strip(), str(values["token_id"]).strip())
    secret = str(reveal(values["token_secret"])).strip()  # a file ends with a newline
    for name, value in (("user", user), ("token_id", token_id), ("token_secret", secret)):
        if not _SIGNS.match(value):
            shown = "it" if name == "token_secret" else f'"{value}"'
            raise AnsibleActionFail(
                f"node {node}: {name} of the entry api: {shown} has signs that none has; expected printable ASCII "
                "without spaces, as Proxmox VE showed it when the token was made"
            )
    return ApiAccess(
        node=node,
        host=str(values["host"]),
        user=user,
        token_id=token_id,
        token_secret=secret,
        port=int(values.get("port") or PORT),
        fingerprint=str(values.get("fingerprint") or "").replace(":", "").lower(),
        ca=os.path.expanduser(str(values.get("ca") or "")),
        record_key=_record_key(node, values, reveal),
        validate_certs=str(values.get("validate_certs", True)).strip().lower() not in _OFF,
    )


def _record_key(node: str, values: Mapping[str, Any], reveal: Callable[[Any], Any]) -> bytes:
    """The key that seals records. Raises AnsibleActionFail for one that can be guessed."""
    if values.get(RECORD_KEY) is None:
        return b""
    key = str(reveal(values[RECORD_KEY])).strip()
    if len(key) < _KEY_LENGTH:
        raise AnsibleActionFail(
            f"node {node}: {RECORD_KEY} of the entry api has {len(key)} characters; expected at least {_KEY_LENGTH} "
            "random ones. Make one with: openssl rand -hex 32"
        )
    return key.encode()


def _token(user: str, token_id: str) -> tuple[str, str]:
    """The user and the name of the token; PVE itself shows a token as `user@realm!name`."""
    owner, separator, name = token_id.rpartition("!")
    return (owner, name) if separator else (user, token_id)
