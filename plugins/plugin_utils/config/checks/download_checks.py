# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that what is downloaded can be verified: by https, by a checksum in the file, or by a key that is known.

A checksum that comes from the same place over http proves nothing. A repository may use http, because apt verifies it
by its key; so the key must not come unverified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks import download_addresses
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.download_addresses import Address
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, show

CHECKS = check = Checks()

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What apt verifies by its key, beside the repositories of drivers.
_SIGNED = ("uri", "key_url")


@check
def downloads_can_be_verified(subject: Subject) -> Iterator[Finding]:
    """No address is plain http, unless a checksum or a key says what must lie there."""
    for item in download_addresses.of_containers(subject.fleet.top):
        yield from _judged(subject, subject.lxc_file, item)
    for item in download_addresses.of_host(subject.hypervisor):
        yield from _judged(subject, subject.hypervisor_file, item)


@check
def keys_are_known(subject: Subject) -> Iterator[Finding]:
    """A key of a repository that is downloaded has its fingerprint beside it, and a repository has one key."""
    repositories = subject.hypervisor.get("repositories")
    for index, item in enumerate(repositories if isinstance(repositories, list) else ()):
        if not isinstance(item, Mapping):
            continue
        given = [key for key in ("signed_by", "key_url", "key") if key in item]
        if "key_url" in item and not item.get("key_fingerprints"):
            expected = "key_fingerprints beside it: a key that anybody may have put there verifies nothing"
            remedy = "Add the fingerprint that the repository's owner publishes."
            yield _of_repository(subject, index, given[0] if len(given) == 1 else "key_url", item, expected, remedy)
        if len(given) > 1:
            expected = "one of signed_by, key_url and key"
            yield _of_repository(subject, index, given[1], item, expected, f"Remove {' or '.join(given)}.")


def _driver_repositories() -> list[str]:
    return [vendor.keys.guest_repository for vendor in vendors.VENDORS if vendor.keys.guest_repository]


def _of_repository(
    subject: Subject, index: int, key: str, item: Mapping[str, Any], expected: str, remedy: str
) -> Finding:
    path = ("repositories", index, key)
    # A key in armor is long, and says nothing to a reader.
    got = "a key" if key == "key" else show(path[:2], item[key], subject.hypervisor_file in subject.hidden)
    return Finding(subject.hypervisor_file, path, got, expected, remedy)


def _judged(subject: Subject, file: str, item: Address) -> Iterator[Finding]:
    hidden = file in subject.hidden
    try:
        url = urlsplit(item.url)
        host = url.hostname or ""
        has_account = bool(url.username or url.password)
        _port = url.port  # urllib checks it only when it is read
    except ValueError as error:
        got = f"{show(item.path, item.url, hidden)} ({error})" if not hidden else show(item.path, item.url, hidden)
        yield Finding(file, item.path, got, "an address such as https://example.org/file", "Correct the address.")
        return
    if has_account:
        expected = "an address without user name and password, which everybody could read who sees the inventory"
        remedy = "Remove them. apt reads them from /etc/apt/auth.conf.d."
        yield Finding(file, item.path, "an address with credentials", expected, remedy)
    signed = item.path[-1] in (*_SIGNED, *_driver_repositories()) or isinstance(item.path[-1], int)
    if url.scheme.lower() == "http" and not item.sha256 and not signed and host.lower() not in LOOPBACK:
        checksum = str(item.path[-1]).removesuffix("url") + "sha256"
        has_checksum = str(item.path[-1]).endswith("_url")
        expected = "an https address" + (f", or {checksum} beside it" if has_checksum else "")
        expected += ": a checksum that comes over http too proves nothing"
        remedy = f"Write https, or add {checksum}." if has_checksum else "Write https."
        yield Finding(file, item.path, show(item.path, item.url, hidden), expected, remedy)
