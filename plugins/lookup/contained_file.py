# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files beside the configuration, for roles that deliver them into containers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: contained_file
short_description: Read files that are below the folder of the configuration
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Returns the texts of files of the controller, decrypted where Ansible Vault encrypted them.
  - Fails for a file outside of the folder that has the configuration, with all links resolved. So the value of a
    variable can't deliver another file of the controller into a container.
  - In the default of a variable that a role declares in C(meta/argument_specs.yml), the texts count in the digest of
    the feature. Then a changed file makes the feature due.
options:
  _terms:
    description: Paths of the files, absolute or relative to the folder of the configuration.
    required: true
    type: list
    elements: str
"""

EXAMPLES = r"""
# roles/acme/defaults/main.yml
acme_license_text: "{{ lookup('phoenix.hypervisor.contained_file', acme_license) }}"
"""

RETURN = r"""
_list:
  description: The texts of the files, in the order of their paths.
  type: list
  elements: str
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.contained import is_below
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.moved_files import config_folder
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables

FOLDER = "phoenix_config_dir"


class LookupModule(LookupBase):
    """Reads from the folder of the configuration and nowhere else."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the texts of the files at these paths."""
        self.set_options(var_options=variables, direct=kwargs)
        own_variables.check(variables or {})
        folder = config_folder(variables or {})
        if not folder:
            raise AnsibleError(f"contained_file: {FOLDER} is not set; use an inventory of phoenix.hypervisor.phoenix")
        return [self._text(str(term), folder) for term in terms]

    def _text(self, term: str, folder: str) -> str:
        path = os.path.join(folder, term)
        if not is_below(path, folder):
            raise AnsibleError(
                f"file {term!r} leads to {os.path.realpath(path)}, outside of the folder {folder} of the "
                "configuration. Copy the file into that folder"
            )
        if not os.path.isfile(path):
            raise AnsibleError(f"file {term!r} does not exist in the folder {folder} of the configuration")
        try:
            with open(self._loader.get_real_file(path), encoding="utf-8") as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise AnsibleError(f"can't read file {path}: {error}") from None
