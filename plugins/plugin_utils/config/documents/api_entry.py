# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry `api` of a node in the inventory source: how the node is reached by an API token. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.redaction import MARK
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer, show, to_pointer

KEY = "api"
VARIABLE = "phoenix_api"
"""The variable of a node that has its entry."""

SOURCE = "inventory_source"
"""The kind of the inventory source in a reference to a secret."""

RECORD_KEY = "record_key"
SECRETS = ("token_secret", RECORD_KEY)
_TEXTS = ("host", "user", "token_id", *SECRETS, "ca")
KEYS = (*_TEXTS, "port", "fingerprint", "validate_certs")
_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}\Z")
_EXAMPLE = "Write an object such as {host: 192.0.2.10, user: automation@pve, token_id: phoenix, fingerprint: ...}."

Fault = tuple[Pointer, str, str, str, Optional[str]]
"""The place of a fault, its value, what is expected, what to do, and the nearest known key."""


def unknown_key(place: Pointer, known: Sequence[str]) -> Fault:
    """The fault of a key that an entry does not have."""
    key = str(place[-1])
    near = next(iter(difflib.get_close_matches(key, known, 1, 0.6)), None)
    remedy = f"Rename it to {near}, or remove it." if near else "Remove it."
    return place, "unknown key " + show((), key), "one of " + ", ".join(known), remedy, near


def faults(entry: Any, path: Pointer) -> Iterator[Fault]:
    """Yield what is wrong with an entry. No value of it is shown."""
    if not isinstance(entry, Mapping):
        yield path, f"a {type(entry).__name__}", "an object that says how the API is reached", _EXAMPLE, None
        return
    for key, value in entry.items():
        place = (*path, str(key))
        if key not in KEYS:
            yield unknown_key(place, KEYS)
        elif value is None or _is_template(value):
            continue
        elif key == "port" and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536):
            yield place, show((), value), "a number from 1 to 65535", "Write the port of pveproxy, which is 8006.", None
        elif key == "validate_certs" and not isinstance(value, bool):
            yield place, show((), value), "true or false", "Write true, or give the fingerprint.", None
        elif key == "fingerprint" and not (isinstance(value, str) and _FINGERPRINT.match(value)):
            remedy = "Read it on the node: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem"
            yield place, show((), value), "a SHA-256 fingerprint, 32 bytes in hexadecimal digits", remedy, None
        elif key in _TEXTS and (isinstance(value, (bool, int, float, Mapping, list)) or not str(value)):
            yield place, f"a {type(value).__name__}", "a text", "Write it in quotes.", None


def variables(node: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry as a variable of its node: with references in place of its secrets."""
    found = {str(key): value for key, value in entry.items() if value is not None}
    for key in {*SECRETS} & {*found}:
        found[key] = {MARK: {"file": SOURCE, "pointer": to_pointer(("nodes", node, KEY, key))}}
    return found


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value
