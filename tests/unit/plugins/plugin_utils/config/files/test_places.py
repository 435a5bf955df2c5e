# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a fault that the node told stands in the file."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.places import located

TEXT = """{
  "lxc_defaults": {"storage_pool": "locla"},
  "lxc_configs": {
    "950": {
      "name": "web",
      "volumes": [{"name": "a"},
                  {"name": "b", "pool": "tnak"}]
    }
  }
}
"""


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/lxc_configs/950/name", "c.json:5:15"),
        ("/lxc_configs/950/volumes/1/pool", "c.json:7:41"),
        ("/lxc_configs/950/storage_pool", "c.json:2:20"),  # its default
        ("/lxc_configs/950/network_config/bridge", "c.json:4:5"),  # not there: the container
        ("/lxc_configs/950", "c.json:4:12"),
        ("/lxc_configs/951/name", None),
    ],
)
def test_a_fault_is_placed_where_its_value_stands(tmp_path, pointer, place):
    path = tmp_path / "c.json"
    path.write_text(TEXT, encoding="utf-8")
    found = located(DataLoader(), {"path": str(path), "label": "c.json"}, [pointer])
    assert found.get(pointer) == place


@pytest.mark.parametrize("file", [None, {}, {"path": "/nowhere/at/all.json", "label": "all.json"}])
def test_without_the_file_nothing_is_placed(file):
    assert located(DataLoader(), file, ["/lxc_configs/950"]) == {}
