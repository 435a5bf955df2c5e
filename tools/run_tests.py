#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tiers of the tests and says what came out: `run_tests.py [TIER …]`, all but the long ones without.

Tiers that don't share anything run side by side. Each check's output goes to a file under `.cache/logs`; that of a
failed one is printed when it ends. The last lines name each failed test with its reason, the last one is `N passed,
N failed`; the exit code is 0 only when nothing failed.

Tests of the lab wait for real boots and real package managers. When all else has ended, the files of those that failed
run once more, at most SECOND_TRIES of them. What passes then is named as such: it is a race that somebody has to find.
With CI=true a skipped test is a failed one: there nothing that a test needs may be missing.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable

import checks
import toolchain

# Of a failed check's log so many lines are printed; the rest is in the file.
SHOWN_LINES = 150
# Tests of the lab also wait: for a boot, a task of the node, a connection. With one lane more, 6 % of two processors
# were idle.
LANES = (os.cpu_count() or 1) + 2
# With more failed tests than this the product is broken, and nothing runs twice.
SECOND_TRIES = 3
OUTPUT = threading.Lock()


Makes = Callable[[toolchain.Toolchain], list[checks.Check]]


@dataclasses.dataclass(frozen=True)
class Tier:
    """A group of checks that run one after the other."""

    name: str
    checks: Makes
    """Those of the default ansible-core series."""
    others: Makes | None = None
    """Those of each other series: what depends on ansible-core. None: nothing does."""
    needs_lab: bool = False
    """Whether the lab's Debian packages (LXC and others) must be installed first."""

    def for_series(self, default: bool) -> Makes | None:
        """What makes the checks of the default series, or of another one."""
        return self.checks if default else self.others


# In the order of starting: the longest first, so that the lanes end together.
TIERS = (
    Tier('lab', checks.lab, needs_lab=True),
    Tier('hosts', checks.hosts, needs_lab=True),
    Tier('fleets', checks.fleets, needs_lab=True),
    Tier('lifecycle', checks.lifecycle, needs_lab=True),
    Tier('awx', checks.awx, needs_lab=True),
    Tier('integration', checks.integration, others=checks.integration_of_core),
    Tier('sanity', checks.sanity, others=checks.sanity_of_core),
    Tier('unit', checks.unit, others=checks.unit_of_core),
    Tier('lint', checks.lint),
    Tier('molecule', checks.molecule, needs_lab=True),
    Tier('build', checks.build_with_more, others=checks.build),
)
# Run only when asked for by name: longer than anybody waits for `make test`.
LONG = (
    Tier('proofs', checks.proofs),
    Tier('series', checks.series),
    Tier('sanity_of_tests', checks.sanity_of_tests),
    Tier('site', checks.site),
    Tier('kills', checks.kills, needs_lab=True),
    Tier('scenarios', checks.scenarios, needs_lab=True),
    Tier('vllm', checks.vllm, needs_lab=True),
)
# Tiers that must not run at the same time: both start the checkout's own lab.
EXCLUSIVE = {'lab': threading.Lock()}
EXCLUSIVE['molecule'] = EXCLUSIVE['scenarios'] = EXCLUSIVE['lab']


@dataclasses.dataclass
class Result:
    """A tier's outcomes on one series."""

    label: str
    outcomes: list[checks.Outcome]
    seconds: float


def say(text: str) -> None:
    """Print whole texts only, whichever thread speaks."""
    with OUTPUT:
        print(text, flush=True)


def report(outcome: checks.Outcome, strict: bool) -> str:
    """A check's verdict, with its log's end when it failed and the reasons of what was skipped."""
    check = outcome.check
    counts = f'{outcome.passed} passed, {outcome.failed} failed' if check.junit else ''
    if outcome.skipped:
        counts += f', {len(outcome.skipped)} skipped'
    lines = [f'{"ok  " if outcome.good else "FAIL"} {check.name}: {outcome.seconds:.1f} s {counts}'.rstrip()]
    lines += [f'     skipped{" (a failure with CI=true)" if strict else ""}: {text}' for text in outcome.skipped]
    lines += [f'     {text}' for text in outcome.counts]
    if not outcome.good:
        log = check.log.read_text(encoding='utf-8', errors='replace').splitlines()
        if len(log) > SHOWN_LINES:
            lines.append(f'     … {len(log) - SHOWN_LINES} lines before these in {check.log}')
        lines += [f'     {line}' for line in log[-SHOWN_LINES:]]
    return '\n'.join(lines)


def try_again(outcomes: list[checks.Outcome], strict: bool) -> tuple[list[checks.Failure], list[checks.Failure]]:
    """Run the files of a few failed tests once more; returns those that passed then, and those that did not.

    Only where a check allows it, and where pytest named all that failed. Changes the outcomes.
    """
    passed: list[checks.Failure] = []
    failed = [failure for outcome in outcomes for failure in outcome.failures]
    if len(failed) > SECOND_TRIES:
        return passed, failed
    for outcome in outcomes:
        if outcome.check.again and outcome.failures and outcome.failed == len(outcome.failures):
            files = sorted({failure.file for failure in outcome.failures})
            second = checks.execute(outcome.check.again(files), strict)
            say(report(second, strict))
            if second.good:
                passed += outcome.failures
                failed = [failure for failure in failed if failure not in outcome.failures]
                outcome.passed += outcome.failed
                outcome.failed, outcome.failures = 0, []
    return passed, failed


def named(verdict: str, failures: list[checks.Failure]) -> list[str]:
    """Tests with a verdict, each with its reason."""
    return [f'{verdict} {one.name}\n' + '\n'.join(f'     {line}' for line in one.why.splitlines()) for one in failures]


def processor_time() -> tuple[float, float]:
    """Seconds of all processors since the boot: busy, and in all (proc_stat(5))."""
    with open('/proc/stat', encoding='ascii') as stat:
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    per_second = os.sysconf('SC_CLK_TCK')
    return (sum(ticks) - ticks[3] - ticks[4]) / per_second, sum(ticks) / per_second


def run_tier(tier: Tier, chain: toolchain.Toolchain, default: toolchain.Toolchain, strict: bool) -> Result:
    """Run a tier's checks in order; a failed one does not hide the others."""
    with EXCLUSIVE.get(tier.name, threading.Lock()):
        started = time.monotonic()
        outcomes = []
        makes = tier.for_series(chain is default)
        for check in makes(chain) if makes else ():
            outcome = checks.execute(check, strict)
            say(report(outcome, strict))
            outcomes.append(outcome)
    return Result(f'{tier.name} ({chain.label})', outcomes, time.monotonic() - started)


def set_up(tiers: list[Tier]) -> list[toolchain.Toolchain]:
    """Install what the tiers need; returns the toolchains to test with."""
    toolchain.install_debian_packages(lab=any(tier.needs_lab for tier in tiers))
    chains = toolchain.available()
    toolchain.prepare_all(chains)
    names = {chain.series.name for chain in chains}
    for series in (toolchain.NEWEST, toolchain.OLDEST):
        if series.name not in names:
            say(f'note: no Python for ansible-core {series.name} on this machine; tested without that series')
    return chains


def parse_arguments() -> list[Tier]:
    """The tiers asked for, in the order of starting."""
    names = [tier.name for tier in (*TIERS, *LONG)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('tiers', nargs='*', metavar='TIER', help=', '.join(names))
    wanted = parser.parse_args().tiers
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        parser.error(f'no such tier: {", ".join(unknown)}; there are {", ".join(names)}')
    return [tier for tier in (*TIERS, *LONG) if tier.name in wanted or (not wanted and tier in TIERS)]


def main() -> int:
    """Set up, run, sum up."""
    started = time.monotonic()
    strict = os.environ.get('CI', '').lower() in ('1', 'true', 'yes')
    tiers = parse_arguments()
    chains = set_up(tiers)
    say(f'set-up: {time.monotonic() - started:.1f} s')
    jobs = [(tier, chain) for tier in tiers for chain in chains if tier.for_series(chain is chains[0])]
    before = processor_time()
    with concurrent.futures.ThreadPoolExecutor(max_workers=LANES) as pool:
        results = [future.result() for future in [pool.submit(run_tier, *job, chains[0], strict) for job in jobs]]
    busy, all_time = (after - was for after, was in zip(processor_time(), before, strict=True))

    outcomes = [outcome for result in results for outcome in result.outcomes]
    accidents, failures = try_again(outcomes, strict)
    passed, failed = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
    skipped = sum(len(o.skipped) for o in outcomes)
    empty = [result.label for result in results if not result.outcomes]
    lines = ['', *(f'{result.label}: {result.seconds:.0f} s' for result in results)]
    lines += [*named('FAIL', failures), *named('ok at the second try:', accidents)]
    lines += [f'FAIL {outcome.check.name}: {outcome.check.log}' for outcome in outcomes if not outcome.good]
    lines += [f'FAIL {label}: nothing to run' for label in empty]
    lines.append(f'whole run: {time.monotonic() - started:.0f} s, {LANES} lanes, processors {busy / all_time:.0%} busy')
    if skipped and not strict:
        lines.append(f'{skipped} skipped, reasons above (with CI=true these are failures)')
    second = f', {len(accidents)} of them at the second try' if accidents else ''
    lines.append(f'{passed} passed{second}, {failed + len(empty)} failed')
    say('\n'.join(lines))
    return 1 if failed or empty else 0


if __name__ == '__main__':
    sys.exit(main())
