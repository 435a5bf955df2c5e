# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles compute: settings that have a value, sources that nothing verifies, options and packages by name."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.phoenix.hypervisor.plugins.filter.given import given
from ansible_collections.phoenix.hypervisor.plugins.filter.host_sections import chosen
from ansible_collections.phoenix.hypervisor.plugins.filter.option_names import option_names
from ansible_collections.phoenix.hypervisor.plugins.filter.unverifiable_sources import unverifiable_sources
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.apt_packages import of_version
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.locales import asked
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.package_families import wanted

ROLES = Path(__file__).resolve().parents[4] / "roles"


def test_settings_without_a_value_are_left_out_and_later_ones_count() -> None:
    settings = {"port": 8000, "host": None, "empty": "", "off": False, "none": 0}
    assert given(settings) == {"port": 8000, "empty": "", "off": False, "none": 0}
    assert given(settings, {"port": None, "host": "::1"}, {"host": "::"}) == {
        "host": "::",
        "empty": "",
        "off": False,
        "none": 0,
    }
    assert settings["host"] is None


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("http://mirror.example/simple", True),
        ("HTTP://mirror.example/simple", True),
        ("http://user:word@mirror.example:81/simple", True),
        ("http://[2001:db8::1]/simple", True),
        ("http://", True),
        ("http://[broken", True),
        (" http://mirror.example", True),
        ("https://mirror.example/simple", False),
        ("http://localhost:8080/simple", False),
        ("http://127.0.0.1/simple", False),
        ("http://[::1]:8080/simple", False),
        ("http://Trusted.example/simple", False),
        ("/srv/wheels", False),
        ("none", False),
        ("", False),
    ],
)
def test_only_http_from_another_machine_is_unverifiable(address: str, refused: bool) -> None:
    assert unverifiable_sources([address], "other.example trusted.example") == ([address] if refused else [])


def test_names_of_options_come_from_words_and_settings() -> None:
    assert option_names(["--max_len=10", "8000", "--port"], {"api_key": 1}) == ["max-len", "port", "api-key"]


def test_packages_have_any_revision_of_a_version() -> None:
    assert of_version(["libx", "x-utils"], "570.1") == ["libx=570.1-*", "x-utils=570.1-*"]


def test_sections_by_role_and_by_key() -> None:
    document = {"nfs": {"exports": []}, "samba": {"shares": []}, "sysctl": {"a.b": "1"}}
    assert set(chosen(document)) == {"nfs", "samba", "sysctl"}
    assert set(chosen(document, "hypervisor_shares")) == {"nfs", "samba"}
    assert set(chosen(document, "hypervisor_shares", ["samba", "sysctl"])) == {"samba"}
    assert chosen(document, "hypervisor_shares", []) == {}


def values(role: str, expression: str, family: str = "Debian", **changes: object) -> t.Any:
    """What a role makes of its variables, as Ansible templates them."""
    loader = DataLoader()
    variables: dict[str, t.Any] = {f"__{role}_machine": {"family": family}}
    parts = [ROLES / role / f"{part}.yml" for part in ("defaults/main", "vars/main", f"vars/{family}")]
    for path in filter(Path.exists, parts):
        variables.update(loader.load_from_file(str(path), trusted_as_template=True))
    variables.update(copy.deepcopy(changes))
    return Templar(loader=loader, variables=variables).template(trust_as_template(f"{{{{ {expression} }}}}"))


def test_the_configuration_of_a_server_has_only_what_was_given() -> None:
    plain = values("vllm", "__vllm_config", vllm_model="org/model")
    assert plain == {
        "model": "org/model",
        "served-model-name": "org/model",
        "host": "127.0.0.1",
        "port": 8000,
        "shutdown-timeout": plain["shutdown-timeout"],
    }
    config = {"vllm_tensor_parallel_size": 2, "vllm_gpu_memory_utilization": 0.9, "vllm_quantization": "awq"}
    full = values(
        "vllm",
        "__vllm_config",
        vllm_model="org/model",
        phoenix_config=config,
        vllm_model_revision="v1",
        vllm_options={"swap-space": 4, "shutdown-timeout": None},
    )
    assert full == {
        **{key: plain[key] for key in ("model", "served-model-name", "host", "port")},
        "tensor-parallel-size": 2,
        "gpu-memory-utilization": 0.9,
        "quantization": "awq",
        "revision": "v1",
        "swap-space": 4,
    }


def test_the_installation_of_a_server_uses_the_given_sources() -> None:
    expression = "__vllm_install_variables"
    plain = values("vllm", expression)
    assert not {"PIP_NO_INDEX", "UV_DEFAULT_INDEX", "PIP_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"} & set(plain)
    none = values("vllm", expression, vllm_index_url="none", vllm_find_links=["/a", "/b"])
    assert set(none) - set(plain) == {"PIP_NO_INDEX", "UV_FIND_LINKS", "PIP_FIND_LINKS"}
    assert (none["PIP_NO_INDEX"], none["UV_FIND_LINKS"], none["PIP_FIND_LINKS"]) == ("1", "/a,/b", "/a /b")
    own = values(
        "vllm",
        expression,
        vllm_index_url="https://i.example",
        vllm_extra_index_urls=["https://e.example"],
        vllm_install_environment={"UV_HTTP_TIMEOUT": "9"},
    )
    assert {key: own[key] for key in set(own) - set(plain)} == {
        "UV_DEFAULT_INDEX": "https://i.example",
        "PIP_INDEX_URL": "https://i.example",
        "UV_INDEX": "https://e.example",
        "PIP_EXTRA_INDEX_URL": "https://e.example",
    }
    assert own["UV_HTTP_TIMEOUT"] == "9"


def test_the_environment_of_a_server_has_secrets_only_when_given() -> None:
    plain = values("vllm", "__vllm_service_variables", vllm_model="org/model")
    assert not {"HF_TOKEN", "VLLM_API_KEY", "HF_HUB_OFFLINE"} & set(plain)
    full = values(
        "vllm",
        "__vllm_service_variables",
        vllm_model="/models/m",
        vllm_hf_token="t",
        vllm_api_key="k",
        vllm_environment={"X": "1"},
    )
    assert {key: full[key] for key in set(full) - set(plain)} == {
        "HF_HUB_OFFLINE": "1",
        "HF_TOKEN": "t",
        "VLLM_API_KEY": "k",
        "X": "1",
    }


FAMILIES = ["Debian", "Alpine", "RedHat", "Suse"]
DOCKERS = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin"]
POLICY = """\
docker-cli:
  Candidate: 26.1.5+dfsg1-9
docker-compose:
  Candidate: 2.26.1-4
"""


@pytest.mark.parametrize(
    ("family", "packages"),
    [
        ("Debian", ["ca-certificates", "curl", "less", "locales", "tzdata"]),
        ("Alpine", ["ca-certificates", "curl", "less", "tzdata"]),
        ("RedHat", ["ca-certificates", "curl", "less", "glibc-langpack-en", "glibc-langpack-de", "tzdata"]),
        ("Suse", ["ca-certificates", "ca-certificates-mozilla", "curl", "less", "glibc-locale", "timezone"]),
    ],
)
def test_the_base_of_each_family(family: str, packages: list[str]) -> None:
    extra = {"base_setup_extra_locales": ["de_AT.UTF-8", "de_DE.UTF-8", "C.UTF-8"], "base_setup_timezone": "UTC"}
    options = {
        "name": values("base_setup", "__base_setup_all_packages", **extra),
        "names": values("base_setup", "__base_setup_names", **extra),
    }
    assert sorted(wanted(options, family)) == sorted(packages)
    assert values("base_setup", "__base_setup_families") == FAMILIES
    assert values("base_setup", "__base_setup_debian", family) is (family == "Debian")


@pytest.mark.parametrize(
    ("family", "folder", "locale"),
    [
        ("Debian", "/usr/local/share/ca-certificates", "/etc/default/locale"),
        ("Alpine", "/usr/local/share/ca-certificates", "/etc/profile.d/phoenix-locale.sh"),
        ("RedHat", "/etc/pki/ca-trust/source/anchors", "/etc/locale.conf"),
        ("Suse", "/etc/pki/trust/anchors", "/etc/locale.conf"),
    ],
)
def test_the_places_of_each_family(family: str, folder: str, locale: str) -> None:
    certificates = {"base_setup_ca_certificates": [{"name": "home"}]}
    paths = values("base_setup", "__base_setup_certificate_paths", family, **certificates)
    assert paths == [f"{folder}/phoenix-home.crt"]
    assert asked({"locales": ["de_AT.UTF-8"], "locale": "de_AT.UTF-8"}, family)["path"] == locale


@pytest.mark.parametrize(
    ("family", "variables", "words"),
    [
        ("Debian", {"base_setup_unattended_upgrades": True}, []),
        ("Alpine", {"base_setup_unattended_upgrades": True}, ["for Debian and Ubuntu only"]),
        ("Debian", {"base_setup_ca_certificates": [{"name": "a", "content": "x"}, {"name": "b", "src": "y"}]}, []),
        ("Debian", {"base_setup_ca_certificates": [{"name": "a b", "content": "x"}]}, ["a b needs a name"]),
        ("Debian", {"base_setup_ca_certificates": [{"name": "a", "content": "x", "src": "y"}]}, ["a needs a name"]),
        ("Debian", {"base_setup_ca_certificates": [{"name": "a"}, {"name": "b", "src": ""}]}, ["a, b needs a name"]),
    ],
)
def test_what_the_base_refuses(family: str, variables: dict[str, t.Any], words: list[str]) -> None:
    refusals = values("base_setup", "__base_setup_refusals", **variables)[family]
    assert len(refusals) == len(words)
    assert all(word in text for word, text in zip(words, refusals, strict=True))


@pytest.mark.parametrize(
    ("variables", "paths", "parts"),
    [
        ({}, [], []),
        ({"base_setup_timezone": "UTC"}, [], ["timezone.yml"]),
        ({"base_setup_ca_certificates": [{"name": "a", "src": "y"}]}, [], ["certificates.yml"]),
        ({}, ["/usr/local/share/ca-certificates/phoenix-old.crt"], ["certificates.yml"]),
        ({}, ["/etc/ssl/certs/phoenix-old.pem"], ["certificates.yml"]),
        ({}, ["/etc/pki/trust/anchors/phoenix-old.crt"], []),
    ],
)
def test_the_base_enters_only_the_parts_that_are_needed(
    variables: dict[str, t.Any], paths: list[str], parts: list[str]
) -> None:
    machine = {"family": "Debian", "paths": paths}
    assert values("base_setup", "__base_setup_parts", __base_setup_machine=machine, **variables) == parts


@pytest.mark.parametrize(
    ("family", "source", "packages"),
    [
        ("Debian", "distribution", ["docker.io", "docker-cli", "apparmor", "docker-compose"]),
        (
            "Debian",
            "docker",
            [
                "docker-ce",
                "docker-ce-cli",
                "containerd.io",
                "docker-buildx-plugin",
                "apparmor",
                "docker-compose-plugin",
            ],
        ),
        ("Alpine", "distribution", ["docker", "docker-cli-compose"]),
        (
            "RedHat",
            "docker",
            [*DOCKERS, "docker-compose-plugin"],
        ),
        ("Suse", "distribution", ["docker", "docker-compose"]),
    ],
)
def test_docker_of_each_family(family: str, source: str, packages: list[str]) -> None:
    given = {"docker_source": source, "__docker_policy": {"stdout": POLICY}}
    assert values("docker", "__docker_packages", family, **given) == packages
    assert source in values("docker", "__docker_sources", family)


def test_rpm_packages_of_docker_have_their_own_key() -> None:
    own = ["0123456789ABCDEF0123456789ABCDEF01234567"]
    assert values("docker", "__docker_rpm_fingerprints", "RedHat") == ["060A61C51B558A7F742B77AAC52FEB6B621E9F35"]
    given = {"docker_repository_key_fingerprints": own}
    assert values("docker", "__docker_rpm_fingerprints", "RedHat", **given) == own
    assert values("docker", "__docker_repository_url", "RedHat").endswith("/linux/centos")


def test_each_family_that_a_role_knows_has_its_variables() -> None:
    files = {path.stem for path in (ROLES / "docker" / "vars").glob("*.yml")} - {"main"}
    assert files | {"Debian"} == set(values("docker", "__docker_families")) == set(FAMILIES)
    keys = {frozenset(own) for own in values("base_setup", "__base_setup_by_family").values()}
    assert len(keys) == 1
    assert set(values("base_setup", "__base_setup_refusals")) == set(FAMILIES)
