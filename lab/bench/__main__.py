# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the design promises, measured side by side in one run: `make bench`. Needs root.

Each is a ratio or a count, so that it means the same on a slow machine and on a busy one. The exit code is 0 only when
all are reached. PHOENIX_BENCH_CONTAINERS changes the size of the large fleet; parts can be named to be measured alone.
`--real NODE` measures on a real node in the lab's place. The figures are written as JSON and as a plot to `--to`.
"""

from __future__ import annotations

import argparse
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

from bench import fleet, host, inside, layers, paper, peers, provision, report
from bench.figures import Figure
from bench.real import RealNode

SIZE = int(os.environ.get('PHOENIX_BENCH_CONTAINERS', '200'))
# What each start of pct or pvesh costs on a real node (PVE facts, 'Cost of a call'); the lab's own take 0.04 s.
PERL_START = 0.41
Measure = Callable[[Lab, Path], list[Figure]]


PARTS: dict[str, Measure] = {
    'provision': provision.measure,
    'inside': inside.measure,
    'peers': peers.measure,
    'host': host.measure,
    'fleet': lambda lab, folder: fleet.measure(lab, folder, SIZE),
    'clones': fleet.clones,
    'layers': layers.measure,
}


def arguments() -> argparse.Namespace:
    """The parts, the node, and where the figures go."""
    parser = argparse.ArgumentParser(prog='bench', description='Measures the promised figures side by side.')
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'paper, {", ".join(PARTS)}; all without')
    parser.add_argument(
        '--real', metavar='NODE', help="a real node, as `ssh root@NODE` understands it, in the lab's place"
    )
    parser.add_argument(
        '--to', type=Path, default=CHECKOUT / '.cache' / 'bench', help='folder for the JSON and the plot'
    )
    asked = parser.parse_args()
    unknown = sorted(set(asked.parts) - {'paper', *PARTS})
    if unknown:
        parser.error(f'no such part: {", ".join(unknown)}; there are paper, {", ".join(PARTS)}')
    return asked


def measure(lab: Lab, name: str) -> list[Figure]:
    """One part on a fresh lab, said line by line."""
    lab.up()
    if not isinstance(lab, RealNode):
        lab.sh(f'mkdir -p /etc/phoenix-lab && echo {PERL_START} >/etc/phoenix-lab/perl-start-seconds')
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='phoenix-bench-') as folder:
        figures = PARTS[name](lab, Path(folder))
    print(*figures, f'     ({time.monotonic() - started:.0f} s for these)', sep='\n', flush=True)
    return figures


def main() -> int:
    """Measure everything, or the parts that are named; say it line by line, and keep it."""
    asked = arguments()
    wanted = asked.parts or ['paper', *PARTS]
    figures = paper.measure(1000) if 'paper' in wanted else []
    print(*figures, sep='\n', flush=True)
    lab = RealNode(asked.real, SIZE) if asked.real else Lab()
    try:
        for name in [name for name in PARTS if name in wanted]:
            figures += measure(lab, name)
    finally:
        lab.run('down')
    missed = [figure for figure in figures if not figure.reached]
    where = 'a real node' if asked.real else 'the lab'
    print('written:', *report.write(figures, where, asked.to))
    print(f'{len(figures) - len(missed)} of {len(figures)} figures reached, load {os.getloadavg()[0]:.1f}')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
