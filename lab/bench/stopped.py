# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many stopped containers: one that a run has made, and its files again for each of the others.

A run that finds nothing to do reads files of a stopped container and nothing else, so these are all that it needs.
"""

from __future__ import annotations

# Config, record and state file, each with the CTID, which its name ends in, and the instance id of its own.
COPY = """set -e
python3 - <<'EOF'
import os, uuid
first, count = {first}, {count}
places = ('/etc/pve/nodes/' + os.path.basename(os.readlink('/etc/pve/local')) + '/lxc/%d.conf',
          '/var/lib/phoenix_hypervisor/records/%d.json', '/var/lib/phoenix_hypervisor/state/%d.state')
texts = [open(place % first).read() for place in places]
own = next(line for line in texts[0].splitlines() if 'PHOENIX_INSTANCE=' in line).partition('=')[2]
for ctid in range(first + 1, first + count):
    instance = str(uuid.uuid4())
    for place, text in zip(places, texts):
        text = text.replace(str(first), str(ctid)).replace(own, instance)
        handle = os.open(place % ctid, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, 'w') as file:
            file.write(text)
EOF
"""


def script(first: int, count: int) -> str:
    """The script that makes the others on the node."""
    return COPY.format(first=first, count=count)
