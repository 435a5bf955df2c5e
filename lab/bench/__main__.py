# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the design promises, measured side by side in one run: `make bench`. Needs root.

Each is a ratio or a count, so that it means the same on a slow machine and on a busy one. The exit code is 0 only when
all are reached. PHOENIX_BENCH_CONTAINERS changes the size of the large fleet; a part can be measured alone by its name.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / 'tests' / 'lab'))
# A lab of its own: neither the user's nor the tests' is disturbed.
os.environ.setdefault('PHOENIX_LAB_TESTS', 'bench')

from ansible.plugins.loader import init_plugin_loader
from support.site import Lab

init_plugin_loader([str(CHECKOUT / 'collections')])

from bench import fleet, inside, paper, provision
from bench.figures import Figure

SIZE = int(os.environ.get('PHOENIX_BENCH_CONTAINERS', '200'))
# What each start of pct or pvesh costs on a real node (PVE facts, 'Cost of a call'); the lab's own take 0.04 s.
PERL_START = 0.41
Measure = Callable[[Lab, Path], list[Figure]]


def main() -> int:
    """Measure everything, or the parts that are named; say it line by line."""
    parts: dict[str, Measure] = {
        'provision': provision.measure,
        'inside': inside.measure,
        'fleet': lambda lab, folder: fleet.measure(lab, folder, SIZE),
    }
    wanted = sys.argv[1:] or ['paper', *parts]
    if set(wanted) - {'paper', *parts}:
        print(f'there are the parts paper, {", ".join(parts)}')
        return 2
    figures = paper.measure(1000) if 'paper' in wanted else []
    print(*figures, sep='\n', flush=True)
    lab = Lab()
    try:
        for measure in [measure for name, measure in parts.items() if name in wanted]:
            lab.up()
            lab.sh(f'mkdir -p /etc/phoenix-lab && echo {PERL_START} >/etc/phoenix-lab/perl-start-seconds')
            with tempfile.TemporaryDirectory(prefix='phoenix-bench-') as folder:
                started = time.monotonic()
                for figure in measure(lab, Path(folder)):
                    print(figure, flush=True)
                    figures.append(figure)
                print(f'     ({time.monotonic() - started:.0f} s for these)', flush=True)
    finally:
        lab.run('down')
    missed = [figure for figure in figures if not figure.reached]
    print(f'{len(figures) - len(missed)} of {len(figures)} figures reached, load {os.getloadavg()[0]:.1f}')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
