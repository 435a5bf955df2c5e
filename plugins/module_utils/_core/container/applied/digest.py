# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests of what produces a feature or an application, and why one differs from another.

A digest is the SHA-256 of its components in canonical JSON. The components are kept beside it in the ledger, so that a
later run can name what changed. They hold hashes only: of a plain value the start of its SHA-256, of a secret the start
of an HMAC, which nobody without the key can test guesses against.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

SHORT = 16
"""Hex digits kept of a component's hash: 64 bits, enough to tell two values of one variable apart."""

_SCRIPT_NAME = re.compile(rb"PHOENIX_[A-Za-z0-9_]+")


def canonical(value: Any) -> bytes:
    """Return JSON that is equal for equal values: sorted keys, no spaces, ASCII only.

    Raises TypeError for a value that JSON can't hold, and ValueError for NaN, which is not equal to itself.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def value_hash(name: str, value: Any, key: Optional[bytes] = None) -> str:
    """Return the short hash of one variable; with `key` it is an HMAC-SHA256.

    The name goes in as well, so that two secrets with the same value don't show that they are the same.
    """
    data = canonical([name, value])
    full = sha256(data) if key is None else hmac.new(key, data, hashlib.sha256).hexdigest()
    return full[:SHORT]


def files_hash(files: Iterable[tuple[str, bool, str]]) -> str:
    """Return the hash of a folder given as (relative path, is executable, SHA-256 of the content), in any order."""
    return sha256(canonical(sorted(list(entry) for entry in files)))


def components(
    files: str,
    variables: Mapping[str, Any],
    secrets: Iterable[str] = (),
    key: Optional[bytes] = None,
    under: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return what a digest is made of.

    files: hash of the files; variables: name to effective value; secrets: the names among them that are hashed with
    `key`; under: (feature, digest) of what lies beneath, lowest first. Raises ValueError for a secret without a key.
    """
    hidden = set(secrets)
    hashes = {}
    for name, value in variables.items():
        if name in hidden and not key:
            raise ValueError(f"variable {name} is secret: set phoenix_digest_key, the key to hash secrets with")
        hashes[name] = value_hash(name, value, key if name in hidden else None)
    return {"files": files, "variables": hashes, "under": [[name, digest[:SHORT]] for name, digest in under]}


def digest(parts: Mapping[str, Any]) -> str:
    """Return the digest, 64 hex digits, of what `components` returned."""
    return sha256(canonical(parts))


def script_variables(script: bytes, environment: Mapping[str, str]) -> dict[str, str]:
    """Return those variables of an application's environment that its script names.

    Only they count in its digest, so that more memory doesn't run again a script that never looks at it.
    """
    named = {match.decode("ascii") for match in _SCRIPT_NAME.findall(script)}
    return {name: value for name, value in environment.items() if name in named}


def explain(old: Optional[Mapping[str, Any]], new: Mapping[str, Any]) -> str:
    """Say why two digests differ, from their components; an empty text when they don't."""
    return ", ".join(differences(old, new))


def differences(old: Optional[Mapping[str, Any]], new: Mapping[str, Any]) -> list[str]:
    """Return the inputs that differ, a phrase for each.

    `old` comes from inside a container, so nothing about its form is taken for granted.
    """
    if not old:
        return ["no record of what it was made from"]
    reasons: list[str] = []
    if old.get("files") != new["files"]:
        reasons.append("files changed")
    before, after = old.get("variables"), new["variables"]
    before = before if isinstance(before, Mapping) else {}
    for name in sorted(set(after) | {str(name) for name in before}):
        if before.get(name) != after.get(name):
            word = "added" if name not in before else "removed" if name not in after else "changed"
            reasons.append(f"variable {name} {word}")
    return [*reasons, *_explain_under(old.get("under"), new["under"])]


def _explain_under(old: Any, new: Sequence[Sequence[str]]) -> list[str]:
    """Say what changed beneath; only the lowest changed feature is named, as it changes all above it."""
    before = [(str(entry[0]), entry[1]) for entry in _pairs(old)]
    after = [(entry[0], entry[1]) for entry in new]
    if before == after:
        return []
    names_before, names_after = [name for name, _hash in before], [name for name, _hash in after]
    if names_before == names_after:
        lowest = next(now[0] for was, now in zip(before, after) if was != now)
        return [f"{lowest} under it changed"]
    was, now = (", ".join(names) or "nothing" for names in (names_before, names_after))
    return [f"on top of {now} instead of {was}"]


def _pairs(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        return []
    return [entry for entry in value if isinstance(entry, (list, tuple)) and len(entry) == 2]
