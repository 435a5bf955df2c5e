# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's policy: what it forbids is an error with file, line, place and remedy; what it allows is none."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.policy import KEYS, load_policy

LXC: dict[str, Any] = {"name": "web", "template": "local:vztmpl/debian.tar.zst", "features": ["base_setup"]}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a feature of its own and a script."""
    (tmp_path / "roles" / "metrics" / "meta").mkdir(parents=True)
    (tmp_path / "roles" / "metrics" / "meta" / "phoenix_feature.yml").write_text("{}\n")
    for folder in ("applications", "bin"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "app.sh").write_text("#!/bin/sh\n")
    (tmp_path / "secrets.yml").write_text("a: b\n")
    return tmp_path


def errors(
    site: Path, policy: Any, container: dict[str, Any], host: dict[str, Any] | None = None, **more: Any
) -> list[str]:
    """The errors of a configuration under a policy; None is no policy, and in a container a key of LXC less."""
    source: dict[str, Any] = {
        "plugin": "phoenix.hypervisor.phoenix",
        "lxc_config": "lxc.json",
        "hypervisor_config": "host.json",
        "nodes": {"pve": {"ansible_host": "192.0.2.10"}},
        **({"policy": policy} if policy is not None else {}),
        **more.pop("source", {}),
    }
    (site / "phoenix.yml").write_text(json.dumps(source, indent=2))
    top = more.pop("top", {})
    whole = {key: value for key, value in {**LXC, **container}.items() if value is not None}
    (site / "lxc.json").write_text(json.dumps({"lxc_configs": {"950": whole}, **top}, indent=2))
    (site / "host.json").write_text(json.dumps(host or {}, indent=2))
    manager = InventoryManager(loader=DataLoader(), sources=[str(site / "phoenix.yml")])
    return list(manager.groups["all"].get_vars()["phoenix_config_errors"])


MOUNT = {"mount_points": [{"host_path": "/etc", "container_path": "/x"}]}
GOOD_MOUNT = {"mount_points": [{"host_path": "/srv/models/a", "container_path": "/x"}]}
SHARED = {"shared_volumes": {"all": {"host_path": "/etc", "mounts": {"950": "/x"}}}}
STORE = {"model_store": {"path": "/root/models", "models": []}}
COPY = {"model_store": {"path": "/srv/models", "models": [{"name": "a/b", "source": "/root"}]}}
VOLUME = {"volumes": [{"name": "data", "pool": "tank", "size_gb": 1, "mount_point": "/data"}]}
REPOSITORY = {"repositories": [{"name": "x", "uri": "http://apt.example.org/debian", "suites": ["s"]}]}
ENDPOINT = {"model_store": {"path": "/srv/models", "endpoint": "https://hub.example.org", "models": []}}
RUNFILE = {"nvidia": {"runfile_url": "https://mirror.example.org/NVIDIA-Linux-x86_64-580.1.run"}}
NVIDIA = "phoenix.hypervisor.nvidia"
RESTORED = {"template": None, "restore_from": "local:backup/vzdump-lxc-950-2026_11_23-18_32_10.tar.zst"}

REFUSED: list[tuple[str, Any, dict[str, Any], dict[str, Any], str]] = [
    ("a raw line", {"lxc_options": ["lxc.cgroup2.*"]}, {"lxc_options": ["lxc.apparmor.profile: unconfined"]}, {},
     "/lxc_configs/950/lxc_options/0"),
    ("a hook", {"lxc_options": ["lxc.cgroup2.*"]}, {"lxc_options": ["lxc.hook.pre-start: /tmp/x"]}, {},
     "/lxc_configs/950/lxc_options/0"),
    ("a raw line, by default", {"features": ["*"]}, {"lxc_options": ["lxc.hook.start-host = /tmp/x"]}, {},
     "/lxc_configs/950/lxc_options/0"),
    ("a hook script", {"hookscripts": ["local:snippets/a-*"]}, {"hookscript": "local:snippets/b.sh"}, {},
     "/lxc_configs/950/hookscript"),
    ("a hook script, by default", {"features": ["*"]}, {"hookscript": "local:snippets/b.sh"}, {},
     "/lxc_configs/950/hookscript"),
    ("a line without a value", {"lxc_options": ["lxc.cgroup2.*"]}, {"lxc_options": ["lxc.cap.drop:"]}, {},
     "/lxc_configs/950/lxc_options/0"),
    ("a key that only begins like one", {"lxc_options": ["lxc.cap"]}, {"lxc_options": ["lxc.cap.drop: x"]}, {},
     "/lxc_configs/950/lxc_options/0"),
    ("a flag", {"pct_options": ["nesting"]}, {"pct_options": ["nesting=1", "fuse=1"]}, {},
     "/lxc_configs/950/pct_options/1"),
    ("a folder", {"mount_prefixes": ["/srv/models"]}, MOUNT, {}, "/lxc_configs/950/mount_points/0/host_path"),
    ("a folder that only begins like one", {"mount_prefixes": ["/et"]}, MOUNT, {},
     "/lxc_configs/950/mount_points/0/host_path"),
    ("a raw mount", {"mount_prefixes": ["/srv"], "lxc_options": ["lxc.mount.entry"]},
     {"lxc_options": ["lxc.mount.entry: /etc x none bind 0 0"]}, {}, "/lxc_configs/950/lxc_options/0"),
    ("a raw mount that climbs", {"mount_prefixes": ["/srv"], "lxc_options": ["lxc.mount.entry"]},
     {"lxc_options": ["lxc.mount.entry: /srv/../etc x none bind 0 0"]}, {}, "/lxc_configs/950/lxc_options/0"),
    ("a raw mount without a slash", {"mount_prefixes": ["/srv"], "lxc_options": ["lxc.mount.entry"]},
     {"lxc_options": ["lxc.mount.entry: etc x none rbind,ro 0 0"]}, {}, "/lxc_configs/950/lxc_options/0"),
    ("a raw overlay", {"mount_prefixes": ["/srv"], "lxc_options": ["lxc.mount.entry"]},
     {"lxc_options": ["lxc.mount.entry: overlay x overlay lowerdir=/etc 0 0"]}, {},
     "/lxc_configs/950/lxc_options/0"),
    ("a shared volume", {"mount_prefixes": ["/srv"]}, {}, SHARED, "/shared_volumes/all/host_path"),
    ("a store of models", {"mount_prefixes": ["/srv"]}, {}, STORE, "/model_store/path"),
    ("a folder that is copied into it", {"mount_prefixes": ["/srv"]}, {}, COPY, "/model_store/models/0/source"),
    ("privileges", {"privileged": False}, {"unprivileged": False}, {}, "/lxc_configs/950/unprivileged"),
    ("privileges, by default", {"features": ["*"]}, {"unprivileged": False}, {}, "/lxc_configs/950/unprivileged"),
    ("a source that may be privileged", {"features": ["*"]}, {"template": None, "clone_from_ctid": "900"}, {},
     "/lxc_configs/950/clone_from_ctid"),
    ("a feature", {"features": ["phoenix.hypervisor.docker"]}, {}, {}, "/lxc_configs/950/features/0"),
    ("a role of a folder", {"features": ["phoenix.hypervisor.*"]}, {"features": ["metrics"]}, {},
     "/lxc_configs/950/features/0"),
    ("a script", {"applications": False}, {"application_script": "app.sh"}, {},
     "/lxc_configs/950/application_script"),
    ("a health check", {"applications": False}, {"health_check": {"command": "true"}}, {},
     "/lxc_configs/950/health_check"),
    ("a template", {"templates": ["local:vztmpl/*"]}, {"template": "/root/evil.tar.zst"}, {},
     "/lxc_configs/950/template"),
    ("a backup", {"backups": ["local:backup/vzdump-lxc-9??-*"], "privileged": True}, RESTORED, {},
     "/lxc_configs/950/restore_from"),
    ("a backup, by default", {"privileged": True}, RESTORED, {}, "/lxc_configs/950/restore_from"),
    ("a backup that may be privileged", {"backups": ["local:backup/*"]}, RESTORED, {}, "/lxc_configs/950/restore_from"),
    ("a storage", {"storages": ["local"]}, {"storage_pool": "tank"}, {}, "/lxc_configs/950/storage_pool"),
    ("a volume's storage", {"storages": ["local"]}, VOLUME, {}, "/lxc_configs/950/volumes/0/pool"),
    ("a bridge", {"bridges": ["vmbr1"]}, {"network_config": {"bridge": "vmbr0"}}, {},
     "/lxc_configs/950/network_config/bridge"),
    ("a GPU", {"gpus": ["0"]}, {"gpu_assignment": "0,1"}, {}, "/lxc_configs/950/gpu_assignment"),
    ("all GPUs", {"gpus": ["0"]}, {"features": ["base_setup", "nvidia"]}, {}, "/lxc_configs/950/features"),
    ("a device, by default", {"features": ["*"]}, {"devices": [{"path": "/dev/sda"}]}, {},
     "/lxc_configs/950/devices/0/path"),
    ("another device", {"devices": ["/dev/net/*"]}, {"devices": [{"path": "/dev/net/tun"}, {"path": "/dev/sda"}]}, {},
     "/lxc_configs/950/devices/1/path"),
    ("a vendor's GPUs", {"devices": ["/dev/*"]}, {"devices": [{"class": "nvidia-gpu"}]}, {},
     "/lxc_configs/950/devices/0/class"),
    ("all of a vendor's GPUs", {"devices": ["nvidia-gpu"], "gpus": ["0"]}, {"devices": [{"class": "nvidia-gpu"}]}, {},
     "/lxc_configs/950/devices/0/class"),
    ("a scheme", {"url_schemes": ["https"]}, {}, REPOSITORY, "/repositories/0/uri"),
    ("a host of the host's file", {"url_hosts": ["*.nvidia.com"]}, {}, RUNFILE, "/nvidia/runfile_url"),
    ("an endpoint", {"url_hosts": ["huggingface.co"]}, {}, ENDPOINT, "/model_store/endpoint"),
]  # fmt: skip


@pytest.fixture
def judged(site: Path) -> Any:
    """The errors of a configuration in the folder."""
    return partial(errors, site)


@pytest.mark.parametrize(
    ("policy", "container", "host", "pointer"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_it_forbids_is_an_error(
    judged: Any, policy: Any, container: dict[str, Any], host: dict[str, Any], pointer: str
) -> None:
    """One that names file, line and place, what is allowed, and whom to ask. Without a policy there is none."""
    found = [text for text in judged(policy, container, host) if "ask the operator" in text]
    assert len(found) == 1, found
    file = "lxc.json" if pointer.startswith("/lxc_configs") else "host.json"
    assert found[0].startswith(f"{file}:")
    assert f" {pointer}:" in found[0] or f" {pointer} " in found[0], found[0]
    key = found[0].partition("ask the operator: policy.")[2].partition(" ")[0]
    assert key in KEYS
    assert f"policy.{key} in phoenix.yml." in found[0]
    assert not [text for text in judged(None, container, host) if "operator" in text]


ALLOWED: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("a raw line", {"lxc_options": ["lxc.cgroup2.*"]}, {"lxc_options": ["lxc.cgroup2.devices.allow = a"]}, {}),
    ("a hook script", {"hookscripts": ["local:snippets/*"]}, {"hookscript": "local:snippets/b.sh"}, {}),
    ("a backup", {"backups": ["local:backup/vzdump-lxc-950-*"]}, {**RESTORED, "unprivileged": True}, {}),
    ("a line without a value", {"lxc_options": ["lxc.cap.drop", "lxc.mount.*"], "mount_prefixes": ["/srv"]},
     {"lxc_options": ["lxc.cap.drop:", "lxc.mount.entry:"]}, {}),
    ("a folder", {"mount_prefixes": ["/srv/models/"]}, GOOD_MOUNT, {}),
    ("the folder itself", {"mount_prefixes": ["/srv/models/a"]}, GOOD_MOUNT, {}),
    ("a raw mount", {"mount_prefixes": ["/srv"], "lxc_options": ["lxc.mount.*"]},
     {"lxc_options": ["lxc.mount.entry: /srv/a x none bind 0 0", "lxc.mount.entry: tmpfs run tmpfs size=1m 0 0"]}, {}),
    ("privileges", {"privileged": True}, {"unprivileged": False}, {}),
    ("features", {"features": ["phoenix.hypervisor.*"]}, {"features": ["base_setup", NVIDIA]}, {}),
    ("no GPU", {"gpus": []}, {"gpu_assignment": "none"}, {}),
    ("a GPU", {"gpus": ["0"]}, {"gpu_assignment": "0", "features": ["base_setup", "nvidia"]}, {}),
    ("all GPUs", {"gpus": ["all"]}, {"features": ["base_setup", "nvidia"]}, {}),
    ("a device", {"devices": ["/dev/net/*"]}, {"devices": [{"path": "/dev/net/tun"}]}, {}),
    ("a vendor's GPU", {"devices": ["nvidia-gpu"], "gpus": ["0"]},
     {"devices": [{"class": "nvidia-gpu"}], "gpu_assignment": "0"}, {}),
    ("tags", {"pct_options": []}, {"pct_options": ["tags=a"]}, {}),
    ("a container to remove", {"privileged": False}, {"unprivileged": False, "target_state": "absent"}, {}),
    ("an address", {"url_schemes": ["https"], "url_hosts": ["*.example.org"]}, {}, ENDPOINT),
    ("a script", {"privileged": False}, {"application_script": "app.sh"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "container", "host"), [case[1:] for case in ALLOWED], ids=[case[0] for case in ALLOWED]
)
def test_what_it_allows_is_none(judged: Any, policy: Any, container: dict[str, Any], host: dict[str, Any]) -> None:
    """Nor is anything that it has no word about."""
    assert judged(policy, container, host) == []


def test_a_role_of_a_folder_is_named_by_its_path(judged: Any, site: Path) -> None:
    """So that a role that somebody puts beside the JSON files does not pass for one of a collection."""
    features = {"features": ["metrics"]}
    assert judged({"features": [f"{site}/roles/*"]}, features) == []
    (found,) = judged({"features": ["*.metrics"]}, features)
    assert f"which is {site}/roles/metrics" in found


def test_defaults_are_judged_where_they_stand(judged: Any) -> None:
    """A mount of lxc_defaults is found in lxc_defaults."""
    (found,) = judged({"mount_prefixes": ["/srv"]}, {}, top={"lxc_defaults": MOUNT})
    assert " /lxc_defaults/mount_points/0/host_path" in found


def test_addresses_of_the_containers_file(judged: Any) -> None:
    """The driver's addresses are for all containers."""
    top = {
        "nvidia_runfile_url": "http://x.example.org/NVIDIA-Linux-x86_64-580.1.run",
        "nvidia_runfile_sha256": "0" * 64,
    }
    (found,) = judged({"url_schemes": ["https"]}, {}, top=top)
    assert " /nvidia_runfile_url" in found


def test_with_a_policy_files_beside_the_json_are_no_scripts(judged: Any) -> None:
    """They would be decrypted and delivered into a guest. The operator names the folder to allow it."""
    container = {"application_script": "secrets.yml"}
    assert judged(None, container) == []
    (found,) = judged({"privileged": False}, container)
    assert " /lxc_configs/950/application_script" in found
    assert judged({"privileged": False}, container, source={"application_path": ["."]}) == []


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ([], "an object with"),
        ({"mount_prefix": ["/srv"]}, "mount_prefixes"),
        ({"mount_prefixes": "/srv"}, "a list of absolute paths"),
        ({"mount_prefixes": ["srv"]}, "a list of absolute paths"),
        ({"mount_prefixes": ["/srv/../etc"]}, "a list of absolute paths"),
        ({"mount_prefixes": ["/srv/*"]}, "a list of absolute paths"),
        ({"gpus": [0]}, "a list of GPUs"),
        ({"privileged": "no"}, "true or false"),
        ({"features": [""]}, "a list of full names"),
    ],
)
def test_a_faulty_policy_is_an_error_of_the_source(judged: Any, policy: Any, words: str) -> None:
    """And nothing runs: a policy that is misread must not allow more."""
    found = judged(policy, {})
    assert any(text.startswith("phoenix.yml:") and "/policy" in text and words in text for text in found), found


def test_a_policy_that_is_empty_or_null_is_one() -> None:
    """`policy:` alone, with its keys commented out, keeps the two that it must."""
    policy = load_policy({"policy": None}, "phoenix.yml")
    assert policy is not None
    assert not policy.permits("privileged")
    assert not policy.allows("lxc_options", "lxc.hook.start")
    assert load_policy({}, "phoenix.yml") is None
