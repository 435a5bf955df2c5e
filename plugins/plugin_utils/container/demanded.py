# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the preflight is asked with, as only the controller knows it, and what its answer means for each container."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import (
    features as core_features,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server

from ..config.files.places import located
from ..config.host import hoststorage
from ..features import manifests
from ..features.manifests import container_needs
from ..untrusted import own_variables
from .wanted import assignment, inherited, search_of


def needs(variables: Mapping[str, Any], hostvars: Mapping[str, Any], has_devices: bool = True) -> dict[str, Any]:
    """Return what a container's plan does not say and the check must know; empty for most containers.

    ``has_devices``: whether its features need devices, as far as that is known already.
    """
    found = _gpu(variables, hostvars) if has_devices else {}
    config = variables.get("phoenix_config") or {}
    outside = [ctid for ctid in config.get("dependencies") or () if str(ctid) not in hostvars]
    if outside:
        found["outside"] = outside
    return {"ctid": variables.get("phoenix_ctid"), **found} if found else {}


def neighbors(node: str, hostvars: Any) -> list[dict[str, Any]]:
    """Return the containers of the file on this node that say what they take of their GPUs' memory."""
    found = []
    for host in hostvars:
        variables = hostvars.raw_get(host) if hasattr(hostvars, "raw_get") else hostvars[host]
        own_variables.check(variables)
        config = variables.get("phoenix_config") or {}
        if not config or str(variables.get("phoenix_node")) != node:
            continue
        shares = [share for share in (server.share(config) for server in _servers(variables)) if share is not None]
        if shares:
            found.append({"ctid": variables.get("phoenix_ctid"), "share": sum(shares)})
    return found


def coming(config: Mapping[str, Any]) -> Iterator[str]:
    """The names of storages, bridges and folders that the hypervisor's configuration makes."""
    yield from (str(row["storage"]) for row in hoststorage.storages(config))
    for row in hoststorage.datasets(config):
        yield hoststorage.folder(config, row["name"])
    interfaces = (config.get("network") or {}).get("interfaces") or ()
    for item in [interfaces] if isinstance(interfaces, Mapping) else interfaces:
        if item.get("name"):
            yield str(item["name"])
    if config.get("subids"):
        from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import subids

        yield from subids.coming(config["subids"])
    if (config.get("model_store") or {}).get("path"):
        yield str(config["model_store"]["path"])
    for volume in (config.get("shared_volumes") or {}).values():
        yield str(volume.get("host_path"))


def place(result: dict[str, Any], loader: DataLoader, config_file: Any, pointers: Iterable[str] = ()) -> None:
    """Put file, line and column in front of each fault, as the offline report has them.

    ``pointers``: those of further faults in the message.
    """
    findings = result.get("findings") or []
    every = list(dict.fromkeys([*pointers, *(str(finding["pointer"]) for finding in findings)]))
    if not every:
        return
    places = located(loader, config_file, every)
    for finding in findings:
        finding["place"] = places.get(str(finding["pointer"]), "")
    lines = str(result.get("msg") or "").split("\n")
    starts = [(f"{pointer}  ", f"{where}  {pointer}  ") for pointer, where in places.items()]
    for number, line in enumerate(lines):
        new = next((placed + line[len(start) :] for start, placed in starts if line.startswith(start)), line)
        lines[number] = new
    result["msg"] = "\n".join(lines)


def faults(checked: Mapping[str, Any], node: str) -> dict[str, str]:
    """Return {container: everything that is wrong with it} of a check whose findings have their places."""
    found = _texts(checked.get("findings") or ())
    if checked.get("problem"):
        # Nothing is known of any of them then.
        text = f"is not touched: node {node}: {checked['problem']}"
        found.update({str(ctid): f"Container {ctid} {text}" for ctid in checked.get("ctids") or ()})
    return found


def source_of(variables: Mapping[str, Any]) -> str:
    """Return the clone source of a container as text, empty for none."""
    return str((variables.get("phoenix_config") or {}).get("clone_from_ctid") or "")


def with_clones(
    found: dict[str, str], due: Sequence[str], sources: Mapping[str, str], observed: Mapping[str, Any]
) -> None:
    """Add what is to be cloned from a container with a fault, in the order of ``due``. ``sources``: of each clone."""
    for host in due:
        source = sources.get(host)
        steps = ((observed.get(host) or {}).get("plan") or {}).get("steps") or ()
        if source in found and any(step["kind"] == "clone" for step in steps):
            text = f"Container {host} is not touched: its clone source {source} has a fault, reported with it."
            found[host] = f"{found[host]}\n{text}" if host in found else text


def downloads(missing: Iterable[Mapping[str, Any]], observed: Mapping[str, Any], hosts: Iterable[str]) -> list[Any]:
    """Return the missing templates that these containers are created from, each with their ``ctids``."""
    wanted_by = _templates(observed, hosts)
    return [
        {**item, "ctids": ctids}
        for item in missing
        if (ctids := wanted_by.get(f"{item['storage']}:vztmpl/{item['template']}"))
    ]


def _gpu(variables: Mapping[str, Any], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """What the preflight must know of a container that takes memory of GPUs; empty for any other.

    With a server's key the node is asked even where only work inside the container is due.
    """
    config = variables.get("phoenix_config") or {}
    speaking = [server for server in _servers(variables) if server.speaks_of_gpus(config)]
    if not speaking:
        return {}
    # Only here, as above: most runs need neither, and both take as long to load as all else of this.
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors

    names = [str(name) for name in config.get("features") or ()]
    needs = container_needs(names, search_of(variables), inherited(variables, hostvars))
    assigned = assignment(variables, hostvars)
    needed = vendors.of_classes(set(core_features.device_classes([needs], assigned)))
    if not needed:
        return {}
    servers = [server.to_json() for server in speaking]
    classes = sorted(vendor.device_class for vendor in needed)
    return {"assignment": assigned, "classes": classes, "servers": servers}


def _servers(variables: Mapping[str, Any]) -> tuple[Server, ...]:
    """The servers whose keys a container can have."""
    names = (variables.get("phoenix_config") or {}).get("features") or ()
    return manifests.servers([str(name) for name in names], search_of(variables))


def _texts(findings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """{container: everything that is wrong with it}, from findings with their places."""
    lines: dict[str, list[str]] = {}
    for finding in findings:
        text = f"{finding.get('place') or ''}  {finding['text']}".strip()
        for ctid in finding["ctids"]:
            lines.setdefault(str(ctid), []).append(text)
    return {
        ctid: "\n".join([f"Preflight failed for container {ctid}; it is not touched.", "", *own, "", _count(len(own))])
        for ctid, own in lines.items()
    }


def _count(number: int) -> str:
    return f"{number} error{'' if number == 1 else 's'}"


def _templates(observed: Mapping[str, Any], hosts: Iterable[str]) -> dict[str, list[int]]:
    """{volume of a template: the containers that are created from it}."""
    found: dict[str, list[int]] = {}
    for host in hosts:
        for step in ((observed.get(host) or {}).get("plan") or {}).get("steps") or ():
            for entry in step.get("entries") or ():
                volume = (entry.get("params") or {}).get("ostemplate")
                if volume:
                    found.setdefault(str(volume), []).append(int(host))
    return found
