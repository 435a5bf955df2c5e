# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every address in the files that something is downloaded from can be verified, or is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks import download_addresses
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import repository

RUN = "NVIDIA-Linux-x86_64-580.1.run"
FINGERPRINT = "7DEE 0C7C 33DF B5A2 0165  0B7D F9DC 99C5 43D6 1F02"
ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx\n-----END PGP PUBLIC KEY BLOCK-----\n"


def errors(folder: Path, top: dict[str, Any], host: dict[str, Any]) -> list[str]:
    """The errors of a configuration."""
    source = {"plugin": "phoenix.hypervisor.phoenix", "lxc_config": "lxc.json", "hypervisor_config": "host.json"}
    (folder / "phoenix.yml").write_text(json.dumps({**source, "nodes": {"pve": {"ansible_host": "192.0.2.10"}}}))
    container = {"name": "web", "template": "local:vztmpl/debian.tar.zst"}
    (folder / "lxc.json").write_text(json.dumps({"lxc_configs": {"950": container}, **top}, indent=2))
    (folder / "host.json").write_text(json.dumps(host, indent=2))
    manager = InventoryManager(loader=DataLoader(), sources=[str(folder / "phoenix.yml")])
    return list(manager.groups["all"].get_vars()["phoenix_config_errors"])


def repositories(**more: Any) -> dict[str, Any]:
    """A host's file with one repository."""
    return {"repositories": [{"name": "x", "uri": "http://apt.example.org/debian", "suites": ["s"], **more}]}


def store(endpoint: str) -> dict[str, Any]:
    """A host's file with a store of models."""
    return {"model_store": {"path": "/srv/models", "endpoint": endpoint, "models": []}}


@pytest.mark.parametrize(
    ("top", "host", "pointer", "words"),
    [
        ({"nvidia_runfile_url": f"http://x.example.org/{RUN}"}, {}, "/nvidia_runfile_url", "add nvidia_runfile_sha256"),
        ({}, {"nvidia": {"runfile_url": f"http://x.example.org/{RUN}"}}, "/nvidia/runfile_url", "add runfile_sha256"),
        ({}, store("http://hub.example.org"), "/model_store/endpoint", "Write https."),
        ({}, repositories(key_url="https://x.example.org/k"), "/repositories/0/key_url", "key_fingerprints beside it"),
        ({}, repositories(key=ARMOR, signed_by="/usr/share/keyrings/x.gpg"), "/repositories/0/key", "one of signed_by"),
        ({}, repositories(uri="https://me:pw@apt.example.org/"), "/repositories/0/uri", "auth.conf.d"),
        ({}, {"repositories": ["deb https://me:pw@apt.example.org/ s main"]}, "/repositories/0", "credentials"),
        ({"nvidia_repo_url": "https://me:pw@x.example.org/"}, {}, "/nvidia_repo_url", "credentials"),
    ],
)
def test_what_cannot_be_verified_is_refused(
    tmp_path: Path, top: dict[str, Any], host: dict[str, Any], pointer: str, words: str
) -> None:
    """With what to write instead, and without the password of an address."""
    (found,) = errors(tmp_path, top, host)
    assert f" {pointer} " in found
    assert words in found
    assert "me:pw" not in found


@pytest.mark.parametrize(
    ("top", "host"),
    [
        ({"nvidia_runfile_url": f"https://x.example.org/{RUN}"}, {}),
        ({"nvidia_runfile_url": f"http://x.example.org/{RUN}", "nvidia_runfile_sha256": "0" * 64}, {}),
        ({"nvidia_repo_url": "http://x.example.org/repo"}, {}),
        ({}, {"nvidia": {"runfile_url": f"file:///srv/{RUN}"}}),
        ({}, store("http://127.0.0.1:8080")),
        ({}, repositories()),
        ({}, repositories(key_url="http://x.example.org/k", key_fingerprints=[FINGERPRINT])),
        ({}, repositories(key=ARMOR)),
    ],
)
def test_what_can_be_verified_is_taken(tmp_path: Path, top: dict[str, Any], host: dict[str, Any]) -> None:
    """By https, a checksum, a key of known fingerprint, or because it never leaves the node."""
    assert errors(tmp_path, top, host) == []


def test_a_key_that_the_file_names_is_kept_for_its_repository_alone() -> None:
    """The role gets the options of the module, and the file that apt is pointed to."""
    found = repository({"name": "x", "uri": "u", "key_url": "https://k", "key_fingerprints": [FINGERPRINT]})
    assert found["signed_by"] == "/etc/apt/keyrings/phoenix-x.gpg"
    assert found["key"] == {"key_url": "https://k", "key_fingerprints": [FINGERPRINT]}
    assert repository({"name": "x", "uri": "u", "signed_by": "/k"})["key"] == {}


def described(piece: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key that a schema describes."""
    if isinstance(piece, Mapping):
        for name, item in piece.items():
            yield from item.items() if name == "properties" else ()
            yield from described(item)
    elif isinstance(piece, list):
        for item in piece:
            yield from described(item)


@pytest.mark.parametrize("kind", ["hypervisor_config", "phoenix_lxc_configs"])
def test_no_key_with_an_address_is_overlooked(kind: str) -> None:
    """A new key is found by its name; one that is called otherwise fails here."""
    given = {
        name
        for name, piece in described(load_schema(kind))
        if isinstance(piece, Mapping) and "http" in str(piece.get("pattern", ""))
    }
    assert given
    found = {
        item.path[-1]
        for item in download_addresses.of_host({"section": dict.fromkeys(given, "https://x.example.org/")})
    }
    assert found == given
