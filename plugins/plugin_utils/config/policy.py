# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's policy: what the authors of the JSON files may ask for.

It stands in the inventory source (`policy`), where no JSON file, host variable or fact reaches it. Without a policy
everything is allowed. With one, a key that is absent restricts nothing, except for those that would undo every other
restriction: raw lines, hook scripts, devices, privileged containers, and backups, whose config may have all of these,
need their permission in writing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional
from urllib.parse import urlsplit

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import show

PATTERNS: Mapping[str, str] = {
    "lxc_options": "keys of raw lines, such as lxc.apparmor.profile or lxc.cgroup2.*",
    "pct_options": "flags, such as nesting",
    "hookscripts": "hook scripts of the node, such as local:snippets/*",
    "mount_prefixes": "absolute paths, such as /srv/models",
    "features": "full names of features, such as acme.tools.metrics or acme.tools.*",
    "templates": "volumes or paths, such as local:vztmpl/*",
    "backups": "backups to restore, such as local:backup/vzdump-lxc-900-*",
    "storages": "storages, such as local-zfs",
    "bridges": "bridges, such as vmbr1",
    "devices": "paths of devices, such as /dev/net/tun or /dev/ttyUSB*, and words of GPU vendors",
    "gpus": 'GPUs as gpu_assignment names them, such as "0", or all; an empty list allows none',
    "url_schemes": "schemes, such as https",
    "url_hosts": "host names, such as download.example.org or *.example.org",
}
"""The keys with a list of what is allowed, each with what its list holds. `*` stands for any characters."""

# What makes its user root on the node: nothing is allowed unless the policy names it.
_IN_WRITING = frozenset({"lxc_options", "hookscripts", "devices", "backups"})

PRIVILEGED = "privileged"
APPLICATIONS = "applications"
SWITCHES: Mapping[str, str] = {
    PRIVILEGED: "containers with unprivileged: false",
    APPLICATIONS: "application scripts and health checks",
}
KEYS = (*PATTERNS, *SWITCHES)


@dataclass(frozen=True)
class Policy:
    """A policy and the file that it stands in.

    Attributes:
        file: the inventory source as reports call it.
        lists: the keys of PATTERNS that the policy has.
        switches: the keys of SWITCHES that the policy has.
    """

    file: str
    lists: Mapping[str, tuple[str, ...]]
    switches: Mapping[str, bool]

    def restricts(self, key: str) -> bool:
        """Whether a key of PATTERNS limits anything."""
        return key in self.lists or key in _IN_WRITING

    def allows(self, key: str, value: str) -> bool:
        """Whether a value is allowed by a key of PATTERNS."""
        if not self.restricts(key):
            return True
        return any(_matches(pattern, value) for pattern in self.lists.get(key, ()))

    def allows_path(self, path: str) -> bool:
        """Whether a folder of the node lies at or below one of the prefixes. PVE refuses links on the way to it."""
        if not self.restricts("mount_prefixes"):
            return True
        parts = _parts(path)
        if ".." in parts:
            return False
        prefixes = [_parts(prefix) for prefix in self.lists.get("mount_prefixes", ())]
        return any(parts[: len(prefix)] == prefix for prefix in prefixes)

    def refused_part(self, url: str) -> Optional[str]:
        """The key of PATTERNS that an address is refused by, or None."""
        try:
            found = urlsplit(url)
            scheme, host = found.scheme.lower(), (found.hostname or "").lower()
        except ValueError:
            return "url_hosts" if self.restricts("url_hosts") else None
        if not self.allows("url_schemes", scheme):
            return "url_schemes"
        # A path of the node has no host.
        return None if scheme == "file" or self.allows("url_hosts", host) else "url_hosts"

    def permits(self, switch: str) -> bool:
        """Whether a key of SWITCHES is allowed: privileged containers only in writing, the rest unless forbidden."""
        return self.switches.get(switch, switch != PRIVILEGED)

    def expected(self, key: str) -> str:
        """What a refused value should have been."""
        allowed = self.lists.get(key, ())
        words = " or ".join(allowed) if allowed else "none"
        return f"what policy.{key} of {self.file} allows: {words}"

    def remedy(self, key: str, instead: str) -> str:
        """What to do about a refused value."""
        return f"{instead}, or ask the operator: policy.{key} in {self.file}."


def load_policy(data: Any, file: str) -> Optional[Policy]:
    """The policy of a parsed inventory source; None without one. What `policy_faults` refuses is left out."""
    given = data.get("policy") if isinstance(data, Mapping) else None
    if given is None and not (isinstance(data, Mapping) and "policy" in data):
        return None
    given = given if isinstance(given, Mapping) else {}
    lists = {key: tuple(map(str, given[key])) for key in PATTERNS if isinstance(given.get(key), (list, tuple))}
    switches = {key: given[key] for key in SWITCHES if isinstance(given.get(key), bool)}
    return Policy(file, lists, switches)


def policy_faults(policy: Any) -> Iterator[tuple[tuple[str, ...], str, str, str, Optional[str]]]:
    """What is wrong with a policy: path, got, expected, remedy and the nearest known key of each fault."""
    if not isinstance(policy, Mapping):
        remedy = "Write a policy such as policy: {mount_prefixes: [/srv]}, or remove it."
        yield ("policy",), show((), policy), "an object with " + ", ".join(KEYS), remedy, None
        return
    for key, value in policy.items():
        path = ("policy", str(key))
        if key in SWITCHES:
            if not isinstance(value, bool):
                yield path, show((), value), f"true or false: whether {SWITCHES[key]} are allowed", "Write one.", None
        elif key not in PATTERNS:
            near = next(iter(difflib.get_close_matches(str(key), KEYS, 1, 0.6)), None)
            remedy = f"Rename it to {near}, or remove it." if near else "Remove it."
            yield path, "unknown key " + show((), str(key)), "one of " + ", ".join(KEYS), remedy, near
        elif not isinstance(value, (list, tuple)) or not all(_is_pattern(key, item) for item in value):
            yield path, show((), value), "a list of " + PATTERNS[key], "Write such a list; texts in quotes.", None


def _is_pattern(key: str, item: Any) -> bool:
    if not isinstance(item, str) or not item.strip():
        return False
    return key != "mount_prefixes" or (item.startswith("/") and ".." not in item.split("/") and "*" not in item)


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
