# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the design promises, measured side by side in one run: `make bench`. Needs root.

Each is a ratio or a count, so that it means the same on a slow machine and on a busy one. The exit code is 0 only when
all are reached. PHOENIX_BENCH_CONTAINERS changes the size of the large fleet, PHOENIX_BENCH_ROUNDS how often the things
compared take turns. Parts can be named to be measured alone. `--real NODE` measures on a real node in the lab's place.
The figures are written as JSON and as a plot to `--to`, where those of other parts stay.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / 'tests' / 'lab'))
# A lab of its own: neither the user's nor the tests' is disturbed.
os.environ.setdefault('PHOENIX_LAB_TESTS', 'bench')

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(CHECKOUT / 'collections')])

from bench import fleet, host, inside, layers, paper, peers, provision, report
from bench.figures import Figure
from bench.node import BenchNode, LeftOut
from bench.real import RealNode

SIZE = int(os.environ.get('PHOENIX_BENCH_CONTAINERS', '200'))


class Part(NamedTuple):
    """A part that needs a node: what measures it, and the CTIDs that it uses on a real one."""

    measure: Callable[[BenchNode, Path], list[Figure]]
    ctids: Iterable[int]


PARTS = {
    'provision': Part(provision.measure, provision.CTIDS),
    'inside': Part(inside.measure, [inside.CTID]),
    'peers': Part(peers.measure, []),
    'host': Part(host.measure, []),
    'fleet': Part(lambda node, folder: fleet.measure(node, folder, SIZE), fleet.ctids(SIZE)),
    'clones': Part(fleet.clones, fleet.CLONED),
    'layers': Part(layers.measure, layers.CTIDS),
}


def arguments() -> argparse.Namespace:
    """The parts, the node, and where the figures go."""
    parser = argparse.ArgumentParser(prog='bench', description='Measures the promised figures side by side.')
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'paper, {", ".join(PARTS)}; all without')
    parser.add_argument(
        '--real', metavar='NODE', help="a real node, as `ssh root@NODE` understands it, in the lab's place"
    )
    parser.add_argument(
        '--to', type=Path, help='folder for the JSON and the plot; .cache/bench without, .cache/bench-real with --real'
    )
    asked = parser.parse_args()
    asked.to = asked.to or CHECKOUT / '.cache' / ('bench-real' if asked.real else 'bench')
    unknown = sorted(set(asked.parts) - {'paper', *PARTS})
    if unknown:
        parser.error(f'no such part: {", ".join(unknown)}; there are paper, {", ".join(PARTS)}')
    return asked


def measure(node: BenchNode, name: str) -> list[Figure]:
    """One part, on a node without containers of the bench."""
    node.prepare()
    with tempfile.TemporaryDirectory(prefix='phoenix-bench-') as folder:
        return PARTS[name].measure(node, Path(folder))


def interrupt(*_words: object) -> None:
    """End the bench as Ctrl-C does, so that it removes what it created."""
    raise KeyboardInterrupt


def clean(node: BenchNode) -> None:
    """Remove what the bench created; a second Ctrl-C, which ssh gets too, leaves nothing half removed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if isinstance(node, RealNode):
        print('removing what the bench created', flush=True)
    node.clean()


def work(names: list[str], node: BenchNode, where: str, folder: Path) -> list[Figure]:
    """Measure the parts in turn. The figures of each are kept before the next one begins."""
    figures = []
    for name in names:
        started = time.monotonic()
        try:
            found = paper.measure(1000) if name == 'paper' else measure(node, name)
        except LeftOut as reason:
            print(f'left out: {name}: {reason}', flush=True)
            continue
        print(*found, f'     ({name}, {time.monotonic() - started:.0f} s)', sep='\n', flush=True)
        report.write(name, found, where, folder)
        figures += found
    return figures


def main() -> int:
    """Measure everything, or the parts that are named; say it line by line, and keep it."""
    asked = arguments()
    try:
        report.kept(asked.to)  # not after an hour of measuring
    except report.ReportError as problem:
        sys.exit(str(problem))
    names = [name for name in ('paper', *PARTS) if not asked.parts or name in asked.parts]
    # A shell's background job ignores Ctrl-C and still wants to be ended by it; what nohup ignores stays ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    node = BenchNode()
    if asked.real:
        node = RealNode(asked.real, sorted({ctid for name in names if name in PARTS for ctid in PARTS[name].ctids}))
    where = 'a real node' if asked.real else 'the lab'
    try:
        if isinstance(node, RealNode) and node.ctids:
            node.look()
        figures = work(names, node, where, asked.to)
    except KeyboardInterrupt:
        print('interrupted', flush=True)
        return 130
    finally:
        clean(node)
    missed = [figure for figure in figures if not figure.reached]
    print('kept in:', asked.to)
    print(f'{len(figures) - len(missed)} of {len(figures)} figures reached, load {os.getloadavg()[0]:.1f}')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
