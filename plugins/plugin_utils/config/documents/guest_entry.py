# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry `guest_ssh` of a node in the inventory source: how its containers are reached over SSH. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.api_entry import Fault, unknown_key
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer, show

KEY = "guest_ssh"
VARIABLE = "phoenix_guest_ssh"
"""The variable of a node and of its containers that has the entry."""

KEYS = ("public_key", "private_key_file", "port", "common_args")
PORT = 22
_PUBLIC = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)[a-z0-9@.-]* [A-Za-z0-9+/=]{16,2000}(?: [^\r\n]{0,200})?\Z")
_EXAMPLE = "Write an object such as {private_key_file: ~/.ssh/phoenix_guests, public_key: ssh-ed25519 AAAA...}."


def faults(entry: Any, path: Pointer, by_token: bool) -> Iterator[Fault]:
    """Yield what is wrong with an entry. ``by_token``: whether the node has an entry for the API."""
    if not by_token:
        remedy = "Remove it: where the node is reached over SSH, its containers are reached through it."
        yield path, KEY, "a node with the entry api", remedy, None
        return
    if not isinstance(entry, Mapping):
        yield path, f"a {type(entry).__name__}", "an object that says how containers are reached", _EXAMPLE, None
        return
    for key, value in entry.items():
        place = (*path, str(key))
        if key not in KEYS:
            yield unknown_key(place, KEYS)
        elif value is None:
            continue
        elif key == "port" and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536):
            remedy = "Write the port of the SSH servers inside, which is 22."
            yield place, show((), value), "a number from 1 to 65535", remedy, None
        elif key == "public_key" and not (isinstance(value, str) and _PUBLIC.match(value.strip())):
            remedy = "Write the line of the file that ends with .pub. It is no template and no private key."
            yield place, f"a {type(value).__name__} that is none", "a public SSH key", remedy, None
        elif key == "private_key_file" and (not isinstance(value, str) or not value):
            yield place, show((), value), "the path of a file", "Write the path of the private key.", None
        elif key == "common_args" and not (isinstance(value, str) and _is_line(value)):
            remedy = 'Write a text such as "-o ProxyJump=jump.example.org".'
            yield place, f"a {type(value).__name__}", "arguments of ssh as one text", remedy, None
    if not entry.get("public_key") and not entry.get("private_key_file"):
        yield path, "neither public_key nor private_key_file", "the key that containers get", _EXAMPLE, None


def _is_line(text: str) -> bool:
    """Whether a text is in the quoting of a shell."""
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True
