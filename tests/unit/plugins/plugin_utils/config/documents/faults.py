# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faulty configurations: what stands there, where the report must point, and what it must advise.

To add one, append a `Fault`. A fault is the good configuration with something changed; it must yield exactly the
findings that it names: one, or those of `also` with it.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from dataclasses import dataclass
from typing import Any

GOOD: dict[str, Any] = {
    "lxc_defaults": {"network_config": {"name": "eth0", "bridge": "vmbr0", "gw": "192.0.2.1"}},
    "lxc_configs": {
        "900": {
            "name": "base",
            "template": "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
            "memory_mb": 2048,
            "cores": 2,
            "features": ["base_setup"],
        },
        "950": {
            "name": "vllmQwen3Coder",
            "clone_from_ctid": "900",
            "memory_mb": 40960,
            "cores": 8,
            "features": ["base_setup"],
            "network_config": {"ip": "192.0.2.50/24"},
        },
    },
}

GOOD_HOST: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "users": [{"username": "alice", "sudo_access": True}],
    "zfs": {"pools": [{"name": "fast", "raid_level": "mirror", "disks": ["/dev/disk/by-id/a", "/dev/disk/by-id/b"]}]},
}

REMOVE = object()
BACKUP = "local:backup/vzdump-lxc-950-2026_11_23-18_32_10.tar.zst"


@dataclass(frozen=True)
class Fault:
    """One faulty configuration. `at` is the JSON pointer; the other texts are parts of what the finding says."""

    name: str
    at: str
    remedy: str
    expected: str = ""
    lxc: bytes | None = None
    host: bytes | None = None
    also: tuple[str, ...] = ()
    line: int = 0
    nearest: str | None = None


def set_path(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the document with one place set; keys and indices of the path with blanks between."""
    changed = copy.deepcopy(document)
    holder: Any = changed
    *parents, last = path.split(" ")
    for key in parents:
        holder = holder[int(key)] if isinstance(holder, list) else holder.setdefault(key, {})
    if value is REMOVE:
        del holder[last]
    elif isinstance(holder, list):
        holder[int(last)] = value
    else:
        holder[last] = value
    return changed


def dump(document: Any) -> bytes:
    """A document as a file holds it."""
    return json.dumps(document, indent=2).encode()


CARD = {"name": "eth1", "bridge": "vmbr1"}
SECOND_GATEWAY = {"name": "eth1", "bridge": "vmbr1", "ip6": "2001:db8::5/64", "gw6": "fe80::1"}


def container(key: str, value: Any, remedy: str, expected: str = "", at: str | None = None, **more: Any) -> Fault:
    """Container 950 with a key set; `key` may be a path with blanks between."""
    pointer = "/lxc_configs/950/" + key.replace(" ", "/") if at is None else at
    name = "{}={}".format(key.replace(" ", "."), "removed" if value is REMOVE else json.dumps(value)[:100])
    return Fault(name, pointer, remedy, expected, dump(set_path(GOOD, "lxc_configs 950 " + key, value)), **more)


def restore(value: str, remedy: str) -> Fault:
    """Container 950, which is a clone, with restore_from set to something that is no backup."""
    fault = container("restore_from", value, remedy, "STORAGE:backup/")
    return dataclasses.replace(fault, also=(fault.at,))


def cards(networks: list[Any], remedy: str, at: str, expected: str = "") -> Fault:
    """Container 950 with these further interfaces; `at` is the place below them."""
    return container("networks", networks, remedy, expected, at=f"/lxc_configs/950/networks/{at}")


def lxc(name: str, path: str, value: Any, at: str, remedy: str, **more: Any) -> Fault:
    """The containers' file with a path set."""
    return Fault(name, at, remedy, lxc=dump(set_path(GOOD, path, value)), **more)


def host(name: str, path: str, value: Any, at: str, remedy: str, **more: Any) -> Fault:
    """The hypervisor's file with a path set."""
    return Fault(name, at, remedy, host=dump(set_path(GOOD_HOST, path, value)), **more)


def text(name: str, data: bytes, remedy: str, at: str = "", **more: Any) -> Fault:
    """A containers' file of these bytes."""
    return Fault(name, at, remedy, lxc=data, **more)


_OPEN = b'{\n  "lxc_configs": {\n    "950": {\n'
_ONE = b'"950": {"name": "a", "template": "local:vztmpl/a.tar.zst"}'

TEXT_FAULTS = [
    text("empty", b"", "Fill the file", line=1),
    text("blank", b" \n\t\n", "Fill the file", line=1),
    text(
        "truncated",
        _OPEN + b'      "name": "a",\n',
        "Close the 3 open brackets",
        expected="} for the { of line 3",
        line=4,
    ),
    text("truncated list", b'{"lxc_configs": {"950": {"features": ["a"', "Close the 4 open brackets", expected="] for"),
    text("trailing comma", _OPEN + b'      "name": "a",\n    }\n  }\n}', "Remove the comma", line=4),
    text("trailing comma in list", b'{"a": [1,\n2,]}', "Remove the comma", line=2),
    text("no comma", _OPEN + b'      "name": "a"\n      "cores": 2}}}', "Put a comma", line=5),
    text("no colon", _OPEN + b'      "name" "a"}}}', "Put a colon", line=4),
    text("single quotes", b"{'lxc_configs': {}}", "in double quotes", line=1),
    text("bare key", b"{lxc_configs: {}}", "Write the key in double quotes", line=1),
    text("comment", b'{\n  // all\n  "lxc_configs": {}}', "Remove the comment", line=2),
    text("hash comment", b'{\n# all\n  "lxc_configs": {}}', "Remove the comment", line=2),
    text("True", b'{"lxc_configs": {"950": {"is_template": True}}}', "in lower case", line=1),
    text("open string", b'{"lxc_configs": {\n"950": {"name": "a\n}}}', "Close the string", line=2),
    text("bad escape", b'{"a": "C:\\x"}', "backslash as two", line=1),
    text("two documents", b'{"lxc_configs": {}}\n{}', "Remove what follows", line=2),
    text("nothing after colon", b'{"a": ,\n"b": 1}', "Write a JSON value", line=1),
    text("latin-1", b'{\n "author\xe9": 1}', "iconv", expected="UTF-8", line=2, also=("/author\ufffd", "")),
    text("utf-16", '{"lxc_configs": {}}'.encode("utf-16"), "iconv -f UTF-16", line=1),
    text("byte order mark", b'\xef\xbb\xbf{"lxc_configs": {}}', "without BOM", line=1),
    text("NaN", b'{"lxc_configs": {"950": {"memory_mb": NaN}}}', "ordinary number", line=1),
    text("endless number", b'{"lxc_configs": {"950": {"memory_mb": ' + b"1" * 5000 + b"}}}", "ordinary number", line=1),
    text("1e999", b'{"lxc_configs": {"950": {"memory_mb": 1e999}}}', "ordinary number", line=1),
    text("deep lists", b"[" * 100000, "superfluous brackets", line=1),
    text("deep objects", b'{"a":' * 70 + b"1" + b"}" * 70, "superfluous brackets", line=1),
    text(
        "same CTID twice",
        b'{"lxc_configs": {' + _ONE + b",\n" + _ONE + b"}}",
        "Remove or rename",
        at="/lxc_configs/950",
        line=2,
    ),
    text(
        "same key twice",
        b'{"lxc_configs": {"950": {"name": "a",\n"template": "local:vztmpl/a.tar.zst",\n"name": "b"}}}',
        "Remove or rename",
        at="/lxc_configs/950/name",
        line=3,
    ),
    text(
        "NUL",
        b'{"lxc_configs": {"950": {"name": "a", "template": "local:vztmpl/a.tar.zst",\n'
        b'"health_check": {"command": "\\u0000"}}}}',
        "\\u escape",
        at="/lxc_configs/950/health_check/command",
        line=2,
        also=("/lxc_configs/950/health_check/command",),
    ),
]

SHAPE_FAULTS = [
    text("a list", b"[]", "Correct", expected="an object"),
    text("a number", b"1", "Correct", expected="an object"),
    text("null", b"null", "Correct", expected="an object"),
    lxc("no container", "lxc_configs", None, "/lxc_configs", 'Write {"950"', expected="CTID to container"),
    text("no containers", b'{\n}', 'Add "lxc_configs"', line=1),
    lxc("containers as list", "lxc_configs", [], "/lxc_configs", 'Write {"950"', expected="CTID to container"),
    lxc("container as text", "lxc_configs 950", "x", "/lxc_configs/950", "Correct", expected="an object"),
    lxc("unknown top key", "lxc_config", {}, "/lxc_config", "Rename it to lxc_configs", nearest="lxc_configs"),
    lxc(
        "driver version", "nvidia_driver_version", "latest", "/nvidia_driver_version", "580.76.05", expected="a version"
    ),
    lxc("driver version as number", "nvidia_driver_version", 580.5, "/nvidia_driver_version", 'Write "580.5"'),
    lxc("repository", "nvidia_repo_url", "ftp://x", "/nvidia_repo_url", "Correct", expected="http"),
    lxc("name in defaults", "lxc_defaults name", "x", "/lxc_defaults/name", "into each container"),
    lxc(
        "address in defaults", "lxc_defaults mac_address", "BC:24:11:00:00:01", "/lxc_defaults/mac_address", "into each"
    ),
    lxc("unknown default", "lxc_defaults memory", 512, "/lxc_defaults/memory", "Rename it to memory_mb"),
]

CTID_FAULTS = [
    lxc(
        "CTID 0950",
        "lxc_configs 0950",
        GOOD["lxc_configs"]["900"],
        "/lxc_configs/0950",
        'Write "950"',
        expected="a CTID",
    ),
    Fault(
        "CTID with a blank",
        "/lxc_configs/951 ",
        'Write "951"',
        "without leading zeros or blanks",
        dump({"lxc_configs": {"951 ": GOOD["lxc_configs"]["900"]}}),
    ),
    lxc("CTID 99", "lxc_configs 99", GOOD["lxc_configs"]["900"], "/lxc_configs/99", "Rename the key", expected="100"),
    lxc(
        "CTID of ten digits", "lxc_configs 1000000000", GOOD["lxc_configs"]["900"], "/lxc_configs/1000000000", "Rename"
    ),
    lxc("CTID web", "lxc_configs web", GOOD["lxc_configs"]["900"], "/lxc_configs/web", "Rename the key"),
    Fault(
        "CTID with line feed",
        "/lxc_configs/951\n",
        'Write "951"',
        "",
        dump({"lxc_configs": {"951\n": GOOD["lxc_configs"]["900"]}}),
    ),
]

KEY_FAULTS = [
    container("name", REMOVE, 'Add "name"', at="/lxc_configs/950"),
    container("name", "my_host", 'Write "my-host"', "a host name"),
    container("name", "-a", 'Write "a"'),
    container("name", "a" * 64, "hyphens", "at most 63"),
    container("name", "", "hyphens"),
    container("name", "web\n", 'Write "web"'),
    container("name", "a;reboot", "hyphens"),
    container("name", "büro-server", 'Write "buero-server"', "letters a to z"),
    container("name", "Straße-5", 'Write "Strasse-5"'),
    container("name", "büro_server", 'Write "buero-server"'),
    container("tags", ["Café"], 'Write "Cafe"', at="/lxc_configs/950/tags/0"),
    container("application_script", "gerät.sh", 'Write "geraet.sh"', "letters a to z"),
    container("memory_mb", 1e300, "not greater than 1073741824"),
    container("memory_mb", 2.0**33, "Write 8192, if these are bytes"),
    container("name", 950, 'Write "950"'),
    container("memory", 512, "Rename it to memory_mb", nearest="memory_mb"),
    container("memori_mb", 512, "Rename it to memory_mb", nearest="memory_mb"),
    container("hostname", "x", "Rename it to name", "a known key"),
    container("zzz", "x", "Remove it", "a known key"),
    container("memory_mb", "8G", "Write 8192", "an integer number of MiB"),
    container("memory_mb", "512", "Write 512"),
    container("memory_mb", "much", "40960", "at least 16"),
    container("memory_mb", 8, "not lower than 16"),
    container("memory_mb", 512.5, "Write a whole number"),
    container("memory_mb", True, "40960"),
    container("memory_mb", None, "Remove the key"),
    container("name", None, "hyphens"),
    container("features", ["base_setup", None], "Remove the item", at="/lxc_configs/950/features/1"),
    container("memory_mb", 10**29, "not greater than 1073741824"),
    container("memory_mb", 2**33, "Write 8192, if these are bytes", "at most 1073741824"),
    container("swap_mb", 2**32, "Write 4096, if these are bytes"),
    container("swap_mb", -1, "not lower than 0"),
    container("cores", 0, "not lower than 1", "from 1 to 8192"),
    container("cores", 8193, "not greater than 8192"),
    container("cores", "4", "Write 4"),
    container("features", "base_setup,nvidia", "in double quotes", "a list of feature names"),
    container("features", ["base_setup", "nesting=1"], "pct_options", at="/lxc_configs/950/features/1"),
    container(
        "features",
        ["base_setup", "base_setup"],
        "Remove the repeated item",
        "each item once",
        at="/lxc_configs/950/features/1",
    ),
    container("features", ["a.b"], "pct_options", at="/lxc_configs/950/features/0"),
    container("clone_from_ctid", "0900", 'Write "900"', "a CTID"),
    container("clone_from_ctid", 99, "not lower than 100"),
    container("clone_from_ctid", "950", "from a template", "a chain"),
    container("clone_from_ctid", REMOVE, "Add clone_from_ctid, a template", at="/lxc_configs/950"),
    container("restore_from", BACKUP, "Remove all but one", "one of template, clone_from_ctid and restore_from"),
    restore("local:vztmpl/debian-12.tar.zst", "pvesm list STORAGE --content backup"),
    restore("local:backup/vzdump-qemu-950-2026_11_23-18_32_10.vma", "Name it as"),
    restore("pbs:backup/ct/950/yesterday", "Name it as"),
    container("application_script", "../x.sh", "searched folders"),
    container("application_script", "/root/x.sh", "searched folders"),
    container("application_script", "a b.sh", "searched folders"),
    container("target_state", "finished", "one of the values", "completed"),
    container("target_state", "complete", 'Write "completed"', nearest="completed"),
    container("guard", "always", "one of the values", "none, report, rollback"),
    container("restart_policy", "always", "one of the values", "if_needed, never"),
    container("storage_pool", "local/zfs", "local-zfs", "the ID of a storage"),
    container("storage_size_gb", "64G", "Write 64"),
    container("storage_size_gb", 0, "not lower than 1"),
    container("storage_size_gb", 32.5, "Write a whole number", "a whole number"),
    container("network_config ip", "192.0.2.50/255.255.255.0", 'Write "192.0.2.50/24"'),
    container("network_config ip", "192.0.002.050/24", 'Write "192.0.2.50/24"'),
    container("network_config ip", "2001:db8::50/64", "Write it as ip6"),
    container("network_config gw", "2001:db8::1", "Write it as gw6"),
    container("name", "web_1", 'Write "web-1"'),
    container("name", "-web-", 'Write "web"'),
    container("name", "w" * 64, "1 to 63 a label"),
    container(
        "network_config", "10.0.0.5,10.0.0.1", 'Write {"bridge": "vmbr0"', "an object with name, bridge, ip and gw"
    ),
    container("network_config ip", "192.0.2.50", "its prefix length"),
    container("network_config ip", "192.0.2.256/24", "its prefix length"),
    container("network_config ip", "192.0.2.50/33", "its prefix length"),
    container("network_config gw", "192.0.2.1/24", "192.0.2.1", "without prefix length"),
    container("ssh_public_keys", ["ssh-ed25519 AAAAC3 ops"], "Write it at the source", "created from a template"),
    container("root_password", "correct horse", "Write it at the source", "created from a template"),
    container("network_config ip6", "2001:db8::50", "its prefix length"),
    container("network_config ip6", "2001:db8::1::2/64", "Write one", "an IPv6 address"),
    container("network_config gw6", "2001:db8::1/64", "For example", "without prefix length"),
    container("network_config gw6", "fe80::1", "Correct ip6 or gw6", "an address beside the gateway"),
    container("network_config tag", 4095, "not greater than 4094", "from 1 to 4094"),
    container("network_config trunks", "40;41", "Write a list", "a list of integers"),
    container("network_config mtu", 10, "not lower than 64", "from 64 to 65535"),
    container("networks", {"name": "eth1"}, 'Write [{"name"', "a list of interfaces"),
    cards([{"name": "eth0", "bridge": "vmbr1"}], "another name", "0/name"),
    cards([CARD, {**CARD, "bridge": "vmbr2"}], "another name", "1/name"),
    cards([{**CARD, "ip": "192.0.2.50/25"}], "another address", "0/ip"),
    cards([{**CARD, "ip": "10.1.0.5/24", "gw": "10.2.0.1"}], "Correct ip", "0/gw"),
    cards([{**CARD, "ip6": "2001:db8::5/64", "gw6": "2001:db8:1::1"}], "or gw6", "0/gw6"),
    cards([{**CARD, "ip": "10.1.0.0/24"}], "a host can have", "0/ip", "the subnet itself"),
    cards([{**CARD, "ip": "10.1.0.5/24", "gw": "10.1.0.255"}], "Correct ip", "0/gw"),
    cards([{**CARD, "ip": "0.0.0.5/24"}], "a host can have", "0/ip"),
    cards([{**CARD, "ip": "224.0.0.5/24"}], "a host can have", "0/ip"),
    cards([{**CARD, "ip6": "ff02::1/64"}], "a host can have", "0/ip6"),
    cards([{**CARD, "ip6": "::1/128"}], "a host can have", "0/ip6"),
    cards([{**CARD, "ip": "10.1.0.5/32", "gw": "10.1.0.5"}], "Correct ip", "0/gw"),
    cards([{**CARD, "ip": "10.1.0.5/24", "gw": "10.1.0.1"}], "Remove it here", "0/gw"),
    cards([SECOND_GATEWAY, {**SECOND_GATEWAY, "name": "eth2", "ip6": "2001:db8:1::5/64"}], "Remove it here", "1/gw6"),
    cards([{**CARD, "ip6": "auto", "host_managed": True}], "remove host_managed", "0/ip6"),
    container("network_config brigde", "vmbr1", "Rename it to bridge", nearest="bridge"),
    container("mac_address", "01:23:45:67:89:A1", "multicast"),
    container("mac_address", "00:00:00:00:00:00", "must not all be 0"),
    container("mac_address", "ff:ff:ff:ff:ff:ff", "multicast"),
    container("mac_address", "BC-24-11-00-00-01", 'Write "BC:24:11:00:00:01"'),
    container("mac_address", "bc24.1100.0001", 'Write "bc:24:11:00:00:01"'),
    container("static_ip", "192.0.2.51/24", "make the two equal"),
    container("gpu_assignment", "all", '"none"'),
    container("gpu_assignment", [0, 1], '"0,1"'),
    container("gpu_assignment", 0, 'Write "0"'),
    container("unprivileged", "true", "Write true"),
    container("unprivileged", 2, "Correct", "true or false"),
    container("start_at_boot", "maybe", "Correct", "true or false"),
    container("protection", "yes", "true", "true or false"),
    container("description", "a\r\nb", "Markdown", "text of one or more lines"),
    container("description", " \n", "Markdown", "text of one or more lines"),
    container("description", "x" * 8193, "Markdown", "8192"),
    container("boot_order", -1, "not lower than 0"),
    container("pct_options", ["nesting"], "nesting=1", at="/lxc_configs/950/pct_options/0"),
    container("pct_options", "nesting=1", "Write a list"),
    container("pct_options", ["onboot=1"], "keys of their own", at="/lxc_configs/950/pct_options/0"),
    container("pct_options", ["nesting=yes"], "without blanks", at="/lxc_configs/950/pct_options/0"),
    container("tags", "llm", "Write a list", "a list of tags"),
    container("tags", ["a b"], "one tag an item", at="/lxc_configs/950/tags/0"),
    container("tags", ["phoenix-hold"], "use target_state", at="/lxc_configs/950/tags/0"),
    container("pct_options", ["nesting=1,keyctl=1"], "one option an item", at="/lxc_configs/950/pct_options/0"),
    container("lxc_options", ["nesting=1"], "lxc.", at="/lxc_configs/950/lxc_options/0"),
    container("lxc_options", ["lxc.mount.entry: a\nrootfs: b"], "lxc.", at="/lxc_configs/950/lxc_options/0"),
    container("mount_points", [{"host_path": "/srv"}], "container_path", at="/lxc_configs/950/mount_points/0"),
    container(
        "mount_points",
        [{"host_path": "srv", "container_path": "/srv"}],
        'Write "/srv"',
        "an absolute path",
        at="/lxc_configs/950/mount_points/0/host_path",
    ),
    container(
        "mount_points",
        [{"host_path": "/srv/../etc", "container_path": "/srv"}],
        "Correct",
        at="/lxc_configs/950/mount_points/0/host_path",
    ),
    container(
        "volumes",
        [{"name": "data", "pool": "local", "size_gb": "10G", "mount_point": "/data"}],
        "Write 10",
        at="/lxc_configs/950/volumes/0/size_gb",
    ),
    container("ports", [70000], "not greater than 65535", at="/lxc_configs/950/ports/0"),
    container("ports", ["http"], "8080:80/tcp", at="/lxc_configs/950/ports/0"),
    container("health_check", "curl", 'Write {"command"', "object"),
    container("health_check", {"retries": 3}, '"command"', at="/lxc_configs/950/health_check"),
    container(
        "health_check", {"command": "true", "interval": "5s"}, "Correct", at="/lxc_configs/950/health_check/interval"
    ),
    container("firewall", {"enable": True}, "Rename it to enabled", at="/lxc_configs/950/firewall/enable"),
    container(
        "firewall",
        {"rules": [{"type": "inn", "action": "ACCEPT"}]},
        'Write "in"',
        at="/lxc_configs/950/firewall/rules/0/type",
    ),
    *(
        container("firewall", {"rules": [rule]}, remedy, expected, at="/lxc_configs/950/firewall/rules/0" + inside)
        for rule, inside, expected, remedy in (
            ("IN ALLOW", "", "a rule such as", "ACCEPT, DROP or REJECT"),
            ("IN ACCEPT -dports 80", "", "a rule such as", "Correct the rule"),
            ("IN ACCEPT -p", "", "a rule such as", "Correct the rule"),
            ("GROUP web -p tcp", "", "a rule such as", "security group"),
            ("IN ACCEPT -dport 80", "", "a protocol that has ports", '"proto": "tcp"'),
            ({"type": "in", "action": "ALLOW"}, "", "a rule such as", "ACCEPT, DROP or REJECT"),
            ({"type": "in", "action": "ACCEPT", "macro": "HTPS"}, "/macro", "a macro of PVE", "macros"),
            ({"type": "in", "action": "ACCEPT", "proto": "tpc"}, "/proto", "a protocol such as", "/etc/protocols"),
            ({"type": "in", "action": "ACCEPT", "port": 80}, "/port", "a protocol that has ports", "macro"),
            ({"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "80:70"}, "/dport", "ports", "Write 70:80"),
            ({"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "80,,90"}, "/dport", "ports", "Write ports"),
            ({"type": "in", "action": "ACCEPT", "proto": "tcp", "sport": "70000"}, "/sport", "ports", "0 to 65535"),
            (
                {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "22,8000-8010"},
                "/dport",
                "such as 8000:8010",
                "Write 8000:8010: PVE separates",
            ),
            (
                {"type": "in", "action": "ACCEPT", "proto": "udp", "dport": ",".join(map(str, range(1, 17)))},
                "/dport",
                "ports",
                "Write ranges",
            ),
            ({"type": "in", "action": "ACCEPT", "icmp_type": "any"}, "/icmp_type", "icmp", '"proto": "icmp"'),
            ({"type": "in", "action": "ACCEPT", "source": "10.0.0.5/24"}, "/source", "networks", "10.0.0.0/24"),
            ({"type": "in", "action": "ACCEPT", "source": "10.0.0.300"}, "/source", "addresses", "10.0.0.5"),
            ({"type": "in", "action": "ACCEPT", "dest": "10.0.0.9-10.0.0.1"}, "/dest", "a range", "first to its last"),
            ({"type": "in", "action": "ACCEPT", "dest": "10.0.0.0/255.0.0.0"}, "/dest", "networks", "prefix length"),
            ({"type": "in", "action": "ACCEPT", "source": "10.0.0.1", "dest": "fe80::1"}, "", "one of", "for each"),
            ({"type": "in", "action": "ACCEPT", "iface": "eth0"}, "/iface", "net0", "Correct"),
            ({"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 1, "dport": 2}, "/port", "one", "Remove port"),
        )
    ),
    container(
        "firewall",
        {
            "rules": [
                "IN ACCEPT -source 10.0.0.9/32 -p 6 -dport 80,443",
                {
                    "type": "in",
                    "action": "accept",
                    "source": "10.0.0.9",
                    "proto": "tcp",
                    "port": "443,080",
                    "enable": False,
                },
            ]
        },
        "Remove one of the two",
        at="/lxc_configs/950/firewall/rules/1",
    ),
    container("vllm_port", 0, "not lower than 1"),
    container("vllm_gpu_memory_utilization", 1.5, "not greater than 1"),
    container("vllm_args", "--max-num-seqs 4", "one argument an item"),
    container("template_snapshot_name", "current", "Correct", "not current"),
]

FLEET_FAULTS = [
    lxc("one name twice", "lxc_configs 950 name", "BASE", "/lxc_configs/950/name", "another name"),
    lxc(
        "one address twice",
        "lxc_configs 900 network_config",
        {"ip": "192.0.2.50/16"},
        "/lxc_configs/950/network_config/ip",
        "another address",
    ),
    Fault(
        "one MAC twice",
        "/lxc_configs/950/mac_address",
        "another MAC address",
        lxc=dump(
            set_path(
                set_path(GOOD, "lxc_configs 900 mac_address", "bc:24:11:00:00:01"),
                "lxc_configs 950 mac_address",
                "BC:24:11:00:00:01",
            )
        ),
    ),
    Fault(
        "cycle of clones",
        "/lxc_configs/900/clone_from_ctid",
        "from a template",
        lxc=dump(
            set_path(set_path(GOOD, "lxc_configs 900 template", REMOVE), "lxc_configs 900 clone_from_ctid", "950")
        ),
    ),
    Fault(
        "cycle of dependencies",
        "/lxc_configs/900/dependencies",
        "Remove one",
        lxc=dump(
            set_path(set_path(GOOD, "lxc_configs 900 dependencies", ["950"]), "lxc_configs 950 dependencies", [900])
        ),
    ),
    lxc(
        "no bridge",
        "lxc_defaults network_config",
        {"gw": "192.0.2.1"},
        "/lxc_defaults/network_config",
        'Add "bridge"',
        also=("/lxc_configs/950/network_config",),
    ),
    lxc(
        "MAC without interface",
        "lxc_defaults",
        {"mac": 1},
        "/lxc_defaults/mac",
        "Remove it",
        also=("/lxc_configs/950/network_config",),
    ),
    lxc(
        "unknown node", "lxc_configs 950 node", "pve2", "/lxc_configs/950/node", "add the node to the inventory source"
    ),
]

BRIDGE = {"name": "vmbr1", "address": "10.0.0.5/24", "bridge_ports": "eno1", "bridge_fd": "0"}
SHARE = {"shares": [{"name": "data", "path": "/srv/data", "writable": True}]}
HOST_FAULTS = [
    Fault("host: truncated", "", "Close the 1 open bracket", host=b"{"),
    host("host: unknown key", "time_zone", "UTC", "/time_zone", "Rename it to timezone", nearest="timezone"),
    host("host: time zone", "timezone", "Europe/Ber lin", "/timezone", "Europe/Berlin"),
    host("host: user without name", "users 0", {"sudo_access": True}, "/users/0", '"username"'),
    host("host: user as object", "users", {"username": "Alice"}, "/users/username", '"alice"', expected="a user name"),
    host("host: user called name", "users", {"name": "alice"}, "/users/name", "Rename it to username"),
    host(
        "host: unknown key in one interface", "network interfaces", BRIDGE, "/network/interfaces/bridge_fd", "sets the"
    ),
    host("host: share", "samba", SHARE, "/samba/shares/0/writable", "read_only with the opposite"),
    host("host: rule as text", "firewall rules", ["IN ACCEPT"], "/firewall/rules/0", 'Write {"type"'),
    host("host: users as text", "users", "alice", "/users", "Correct", expected="a list of accounts"),
    host("host: sudo", "users 0 sudo_access", "yes", "/users/0/sudo_access", "Write true"),
    host("host: raid level", "zfs pools 0 raid_level", "mirorr", "/zfs/pools/0/raid_level", 'Write "mirror"'),
    host("host: no disks", "zfs pools 0 disks", [], "/zfs/pools/0/disks", "Correct", expected="at least 1 item"),
    host("host: arc", "zfs arc_max", "32 gigs", "/zfs/arc_max", "Correct", expected="a number of bytes"),
    host(
        "host: dataset properties",
        "zfs datasets",
        [{"name": "a", "pool": "fast", "properties": "compression lz4"}],
        "/zfs/datasets/0/properties",
        "Correct",
        expected="an object, or text",
    ),
    host(
        "host: storage types",
        "zfs dataset_storage_types",
        {"fast/a": "zfs:images"},
        "/zfs/dataset_storage_types/fast~1a",
        "Correct",
        expected="zfspool:images",
    ),
    host(
        "host: password",
        "users 0 password_hash",
        "hunter2",
        "/users/0/password_hash",
        "Correct",
        expected="a crypt hash",
    ),
]

FAULTS = [*TEXT_FAULTS, *SHAPE_FAULTS, *CTID_FAULTS, *KEY_FAULTS, *FLEET_FAULTS, *HOST_FAULTS]
