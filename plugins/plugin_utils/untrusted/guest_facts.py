# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which facts a container may have: what Ansible's own fact modules find, and nothing that a play or a plugin reads.

Facts outrank the variables of the inventory wherever Ansible injects them as variables, which is its default. A root
user in a container decides what a module answers there, and so which facts the container has.
"""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

# What ansible.builtin.setup finds on Linux, without its prefix. None of them is a connection's or a play's variable.
_SETUP = frozenset(
    """
    all_ipv4_addresses all_ipv6_addresses apparmor architecture bios_date bios_vendor bios_version board_asset_tag
    board_name board_serial board_vendor board_version chassis_asset_tag chassis_serial chassis_vendor chassis_version
    cmdline date_time default_ipv4 default_ipv6 device_links devices distribution distribution_file_parsed
    distribution_file_path distribution_file_search_string distribution_file_variety distribution_major_version
    distribution_minor_version distribution_release distribution_version dns domain effective_group_id
    effective_user_id env fibre_channel_wwn fips flags form_factor fqdn hostname hostnqn interfaces is_chroot iscsi_iqn
    kernel kernel_version loadavg local locally_reachable_ips lsb lvm machine machine_id memfree_mb memory_mb
    memtotal_mb mounts nodename os_family pkg_mgr proc_cmdline processor processor_cores processor_count
    processor_nproc processor_threads_per_core processor_vcpus product_name product_serial product_uuid
    product_version python python_version real_group_id real_user_id selinux selinux_python_present service_mgr
    ssh_host_key_dsa_public ssh_host_key_dsa_public_keytype ssh_host_key_ecdsa_public
    ssh_host_key_ecdsa_public_keytype ssh_host_key_ed25519_public ssh_host_key_ed25519_public_keytype
    ssh_host_key_rsa_public ssh_host_key_rsa_public_keytype swapfree_mb swaptotal_mb system system_capabilities
    system_capabilities_enforced system_vendor systemd uptime_seconds user_dir user_gecos user_gid user_id user_shell
    user_uid userspace_architecture userspace_bits virtualization_role virtualization_tech_guest
    virtualization_tech_host virtualization_type
    """.split()  # noqa: SIM905 - so many names are read as a text
)
# What the other fact modules of ansible.builtin find. They have no prefix there: a role may well call a variable so.
_BARE = frozenset({"services", "packages", "mount_points", "aggregate_mounts"})
# These have a prefix of their own: of getent's database, and of the programs that setup asks where they are installed.
_OWN_PREFIX = re.compile(r"(?:getent|facter|ohai)_[a-z0-9_]{1,64}\Z")
# About the facts themselves.
_ABOUT = frozenset({"gather_subset", "module_setup", "ansible_facts_gathered"})
# What only Ansible itself writes, on the controller.
_OWN = frozenset({"_ansible_facts_gathered", "discovered_interpreter_python"})
_PREFIX = "ansible_"
_INTERFACE = re.compile(r"[A-Za-z0-9_.:]{1,15}\Z")
# Words of Ansible's own: what an interface must not be called, so that a variable can't be disguised as one.
_PLAYS = re.compile(
    r"(?:async|become|check|collection|config|connection|delegated|dependent|diff|facts|failed|forks|host|index"
    r"|inventory|limit|local|loop|parent|password|play|playbook|port|private|remote|role|run|scp|search|sftp|shell"
    r"|skip|ssh|su|sudo|timeout|user|verbosity|version)(?:_.*)?\Z"
)


def split_facts(facts: c.Mapping[t.Any, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
    """Return what is left of a container's ``ansible_facts`` in a module's answer, and the names that are left out.

    A fact without a prefix gets it: ``ansible_facts.services`` reads the same, and no variable is called like it.
    """
    kept: dict[str, t.Any] = {}
    refused: list[str] = []
    for name, value in facts.items():
        text = str(name)
        bare = text.removeprefix(_PREFIX)
        if text in _ABOUT or (text != bare and (bare in _SETUP or _is_interface(bare, value))):
            kept[text] = value
        elif text == bare and (bare in _BARE or _OWN_PREFIX.match(bare)):
            kept[_PREFIX + bare] = value
        else:
            refused.append(text)
    return kept, refused


def foreign_facts(facts: c.Mapping[t.Any, t.Any], variables: c.Mapping[str, t.Any], injected: bool = True) -> list[str]:
    """Return the names of the facts in ``ansible_facts`` that a container must not have, in order.

    ``facts`` is the variable of that name, in which Ansible has taken off the prefix. ``variables`` are the host's, and
    ``injected`` says whether facts are among them: a known fact that came without its prefix is then one of them too.
    """
    return sorted(str(name) for name, value in facts.items() if not _is_known(str(name), value, variables, injected))


def _is_known(name: str, value: t.Any, variables: c.Mapping[str, t.Any], injected: bool) -> bool:
    if name in _ABOUT or name in _OWN or name == "ansible_local" or _is_interface(name, value):
        return True
    if _OWN_PREFIX.match(name):
        return True
    if name not in _SETUP and name not in _BARE:
        return False
    bare = injected and _PREFIX + name not in variables and name in variables
    return not (bare and variables[name] == value)


def _is_interface(name: str, value: t.Any) -> bool:
    """Return whether a fact describes a network interface; its name is the interface's, which anybody may choose."""
    if not isinstance(value, c.Mapping) or not isinstance(value.get("device"), str):
        return False
    made = value["device"].replace("-", "_")  # as ansible.builtin.setup does
    return name == made and bool(_INTERFACE.match(name)) and not _PLAYS.match(name)
