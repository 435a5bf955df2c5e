# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH into a container: the options by which its host key decides, the file that holds the key, and what ssh says."""

from __future__ import annotations

import re

FAILED = 255
"""The exit code of ssh itself."""

_KEY = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)[a-z0-9@.-]* [A-Za-z0-9+/=]{16,2000}\Z")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}\Z")
_ADDRESS_LINE = "# address "
_SERVER = (
    "expected: an SSH server for root inside, which the standard templates of Debian and Ubuntu have. Create it from a "
    "template with one, or set its target state to running"
)
_LOOK = (
    "look who answers at this address. If the key was renewed on purpose, run once with -e "
    "phoenix_new_host_key_ctids={ctid}"
)
_ADD = (
    "add public_key to /root/.ssh/authorized_keys inside it and let its SSH server accept keys of root, or recreate it "
    "(phoenix_recreate_ctids: [{ctid}]): it then gets the key at its creation"
)
_REACH = "let this controller reach it: its firewall, its gateway, or common_args of guest_ssh with a jump host"
_CLIENT = "install an OpenSSH client on the controller, and look at private_key_file of guest_ssh"
_OTHER = "answers with another SSH host key than the one on record, so nothing is done inside it"
_LOST = "can't be reached over SSH"
# What ssh says, what is wrong with the container, and what to do.
_TROUBLES = (
    (("host key verification failed", "identification has changed"), _OTHER, _LOOK),
    (
        ("permission denied", "no supported authentication", "too many authentication failures"),
        "does not accept the key of guest_ssh",
        _ADD,
    ),
    (("connection refused",), "has no SSH server that answers", _SERVER),
    (("timed out", "no route to host", "network is unreachable"), _LOST, _REACH),
    (("command not found", "no such file or directory"), _LOST, _CLIENT),
)


def alias(ctid: int) -> str:
    """The name under which the host key of a container is known, whatever its address is."""
    return f"phoenix-{ctid}"


def options(ctid: int, place: str, known: bool) -> list[str]:
    """The arguments of ssh that decide who answers. They come first, so that no later one weakens them.

    Args:
        ctid: the container.
        place: the file with its host key.
        known: whether a key is in it; without one, the first that answers is taken and written there.
    """
    settings = (
        f"UserKnownHostsFile={place}",
        "GlobalKnownHostsFile=/dev/null",
        "KnownHostsCommand=none",
        f"HostKeyAlias={alias(ctid)}",
        f"StrictHostKeyChecking={'yes' if known else 'accept-new'}",
        "HashKnownHosts=no",
        "UpdateHostKeys=no",
        "CheckHostIP=no",
        "VerifyHostKeyDNS=no",
        "PreferredAuthentications=publickey",
        "PasswordAuthentication=no",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
    )
    return [word for setting in settings for word in ("-o", setting)]


def place_text(ctid: int, address: str, key: str | None) -> str:
    """The file of a container: a comment with its address, and its host key as ssh reads it."""
    return f"{_ADDRESS_LINE}{address}\n" + (f"{alias(ctid)} {key}\n" if key else "")


def address_of(text: str) -> str | None:
    """The address in such a file."""
    first = text.partition("\n")[0]
    found = first[len(_ADDRESS_LINE) :] if first.startswith(_ADDRESS_LINE) else ""
    return found if _ADDRESS.match(found) else None


def learned(text: str, ctid: int) -> str | None:
    """The host key in such a file, which ssh may have written there."""
    for line in text.splitlines():
        name, _space, key = line.partition(" ")
        if name == alias(ctid) and is_key(key.strip()):
            return key.strip()
    return None


def is_key(text: str) -> bool:
    """Whether a text is a key as the files of ssh have it, without a comment."""
    return bool(_KEY.match(text))


def trouble(said: str, ctid: int) -> tuple[str, str]:
    """What is wrong with a container that lets nobody in, and what to do, by what ssh said."""
    lowered = said.lower()
    for words, why, remedy in _TROUBLES:
        if any(word in lowered for word in words):
            return why, remedy.replace("{ctid}", str(ctid))
    return _LOST, _SERVER
