#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_packages
short_description: Install the packages that are missing
version_added: 0.1.0
description:
  - Reads the installed packages, and calls the family's own module only for missing ones. So a settled machine takes
    one short call, and check mode reports the missing packages also where no source of them is known yet.
  - Fails on a machine of another family than O(families), before it changes anything.
  - Configures apt and sets the locale in the same call, since each call into a container has a cost.
  - An action plugin of the same name runs M(ansible.builtin.apt), M(ansible.builtin.dnf), M(community.general.apk) or
    M(community.general.zypper) for the missing packages, with its retries, and sets the locale after them.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.repeated
options:
  name:
    description:
      - The packages, as V(name), V(name:architecture) or either with V(=version), in which C(*) stands for any text.
      - An empty list only makes sure that this is a machine of O(families).
    type: list
    elements: str
    default: []
  families:
    description:
      - The families of distributions that the task can work on, as in C(ansible_facts['os_family']).
      - V(Debian) includes Ubuntu, V(RedHat) stands for Rocky and its relatives, V(Suse) for openSUSE.
    type: list
    elements: str
    choices: [Debian, Alpine, Suse, RedHat]
    default: [Debian]
  names:
    description:
      - The packages that a family has in the place of those of O(name). Each family has a dictionary of a name of
        O(name) and the list of its own names; an empty list drops the package.
    type: dict
    default: {}
    suboptions:
      Debian:
        description: Those of Debian and Ubuntu.
        type: dict
        default: {}
      Alpine:
        description: Those of Alpine.
        type: dict
        default: {}
      Suse:
        description: Those of openSUSE.
        type: dict
        default: {}
      RedHat:
        description: Those of Rocky and its relatives.
        type: dict
        default: {}
  refuse:
    description:
      - Why a machine of a family is refused, one reason an entry, before anything is changed.
    type: dict
    default: {}
    suboptions:
      Debian:
        description: Why Debian and Ubuntu are refused.
        type: list
        elements: str
        default: []
      Alpine:
        description: Why Alpine is refused.
        type: list
        elements: str
        default: []
      Suse:
        description: Why openSUSE is refused.
        type: list
        elements: str
        default: []
      RedHat:
        description: Why Rocky and its relatives are refused.
        type: list
        elements: str
        default: []
  apt_config:
    description:
      - Files in C(/etc/apt/apt.conf.d) and their texts. They are written before packages are installed, and only where
        apt is the package manager.
    type: dict
    default: {}
  locales:
    description:
      - The locales to generate once no package is missing, as M(phoenix.hypervisor.phoenix_locale) does. Only V(Debian)
        generates them; with the others they come in packages.
    type: list
    elements: str
    default: []
  locale:
    description: The locale of the system, in the file that the family has for it. An empty text leaves it as it is.
    type: str
    default: ""
  fetch_lists:
    description:
      - Whether the package lists are fetched where nothing is missing too. This is no change.
      - V(RedHat) and V(Suse) fetch them by themselves.
    type: bool
    default: false
  refresh:
    description: Whether the package lists are fetched however fresh they are, such as after a change of sources.
    type: bool
    default: false
  cache_valid_time:
    description: Seconds for which package lists of apt count as fresh.
    type: int
    default: 3600
  lock_timeout:
    description: Seconds to wait for the lock of apt and dpkg, or of dnf.
    type: int
    default: 300
  retries:
    description: How often a failed installation is tried again, after O(delay) seconds.
    type: int
    default: 3
  install_recommends:
    description: Whether recommended packages are installed too. By default the package manager decides.
    type: bool
  allow_downgrade:
    description: Whether a version may be older than the installed one.
    type: bool
    default: false
  look_for:
    description:
      - Patterns of paths, by which a role decides what else it does. Each further module would be a connection into a
        container.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Install packages
  phoenix.hypervisor.phoenix_packages:
    name: [curl, "tzdata=2025*"]
    install_recommends: false

- name: Install the package of time zones by the name that it has there
  phoenix.hypervisor.phoenix_packages:
    name: [tzdata]
    names:
      Suse:
        tzdata: [timezone]
    families: [Debian, Suse]
    apt_config:
      99phoenix-acquire: |
        Acquire::Retries "2";
"""

RETURN = r"""
missing:
  description: The packages that were missing. A run installs them.
  returned: success
  type: list
  elements: str
family:
  description: The family of the machine, as in C(ansible_facts['os_family']).
  returned: success
  type: str
  sample: Debian
has_lists:
  description: Whether apt had any package list; V(true) elsewhere.
  returned: success
  type: bool
configured:
  description: The files of O(apt_config) that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
paths:
  description: The paths that match O(look_for), in alphabetical order. A link whose target is missing counts.
  returned: success
  type: list
  elements: str
generated:
  description: The locales that were generated, or would be in check mode.
  returned: where O(locales) or O(locale) is given
  type: list
  elements: str
attempts:
  description: How often the family's module was run.
  returned: success, when it was run
  type: int
"""

import glob
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import (
    apt_packages,
    locales,
    package_families,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import locale_setting, root_files

LISTS = "/var/lib/apt/lists/*_Packages*"
APT_CONFIG = "/etc/apt/apt.conf.d"
MODE = 0o644


def configure(module: AnsibleModule) -> tuple[list[str], list[dict[str, str]]]:
    """Write the files of apt's configuration that differ, unless in check mode. Returns their paths and their diff."""
    written, diff = [], []
    for name, text in module.params["apt_config"].items():
        if not name or name != os.path.basename(name):
            raise NodeError(f'apt_config: got "{name}", expected the name of a file in {APT_CONFIG}')
        path, content = os.path.join(APT_CONFIG, name), str(text)
        before = root_files.read(path)
        if before.content == content and before.is_of_root(MODE):
            continue
        written.append(path)
        diff.append(root_files.diff(path, before, content, MODE))
        if not module.check_mode:
            root_files.replace(module, path, content, MODE)
    return written, diff


@failing(where="a file", remedy="expected a file that root can replace")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Ask for the installed packages, and configure apt. Raises NodeError on a machine of another family."""
    name = package_families.found(lambda tool: module.get_bin_path(tool) is not None)
    refusal = package_families.refusal(name, module.params["families"])
    if refusal:
        raise NodeError(refusal)
    reasons = (module.params["refuse"] or {}).get(name)
    if reasons:
        raise NodeError(f"{' '.join(reasons)} Nothing has been changed.")
    family = package_families.FAMILIES[name]
    lacking: list[str] = []
    wanted = package_families.wanted(module.params, name)
    if wanted:
        code, text, error = module.run_command([module.get_bin_path(family.query[0]), *family.query[1:]])
        if code:
            raise NodeError(f"{family.query[0]} failed: {error.strip()[-500:] or f'exit code {code}'}")
        lacking = apt_packages.missing(wanted, family.installed(text))
    is_apt = name == package_families.DEFAULT
    written, diff = configure(module) if is_apt else ([], [])
    has_lists = not is_apt or bool(glob.glob(LISTS))
    paths = sorted({path for pattern in module.params["look_for"] for path in glob.glob(pattern)})
    found = {"family": name, "missing": lacking, "has_lists": has_lists, "paths": paths, "configured": written}
    result = {"changed": bool(written), "diff": diff, **found}
    asked = locales.asked(module.params, name)
    # What generates them may be among the packages that are missing: then it is done after those.
    if asked and (module.check_mode or not lacking):
        done = locale_setting.ensure(module, asked)
        result = {**result, **done, "changed": bool(written) or done["changed"], "diff": diff + done["diff"]}
    return result


def main() -> None:
    """Module entry point."""
    run_module(package_families.OPTIONS, work)


if __name__ == "__main__":
    main()
