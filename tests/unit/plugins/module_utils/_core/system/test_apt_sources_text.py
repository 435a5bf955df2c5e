# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of apt as deb822: which fields a file has, and which keyring signs Proxmox's own repositories."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_sources_text
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config

KEYRING, OLD = "/usr/share/keyrings/new.gpg", "/etc/apt/trusted.gpg.d/old.gpg"


def files(repositories: list[Any], present: list[str]) -> dict[str, str]:
    rows = host_config({"repositories": repositories})["repositories"]
    found = apt_sources_text.files(rows, "trixie", present, KEYRING, OLD)
    return {one["path"]: one["content"] for one in found}


def test_a_known_repository_is_signed_by_the_keyring_that_the_node_has() -> None:
    expected = """\
# Written by phoenix.hypervisor from repositories of hypervisor_config.json.
X-Repolib-Name: pve-enterprise
Enabled: no
Types: deb
URIs: https://enterprise.proxmox.com/debian/pve
Suites: trixie
Components: pve-enterprise
Signed-By: {keyring}
"""
    path = "/etc/apt/sources.list.d/pve-enterprise.sources"
    for present, keyring in (([KEYRING], KEYRING), ([], OLD)):
        found = files([{"name": "pve-enterprise", "enabled": False}], present)
        assert found == {path: expected.format(keyring=keyring)}


def test_an_own_repository_has_its_own_fields() -> None:
    row = {
        "name": "My_tools",
        "uri": "https://example.org/debian",
        "suites": ["stable"],
        "components": ["main", "extra"],
        "architectures": ["amd64"],
        "types": ["deb", "deb-src"],
    }
    (path, content), *_more = files([row], [KEYRING]).items()
    assert path == "/etc/apt/sources.list.d/my-tools.sources"
    assert content.splitlines()[2:] == [
        "Enabled: yes",
        "Types: deb deb-src",
        "URIs: https://example.org/debian",
        "Suites: stable",
        "Components: main extra",
        "Architectures: amd64",
    ]
