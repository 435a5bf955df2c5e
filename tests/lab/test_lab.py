# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself, for real: a node of its own (never the developer's), guests, a second up, nothing left behind.

Needs root and LXC's prerequisites (cgroups, namespaces, apt); what is missing is installed by `lab.py up`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = CHECKOUT / 'lab' / 'lab.py'
TEMPLATE = 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst'
# Seconds after which a command hangs. The first up may have to build both images.
HANGS = 900.0
# Seconds of a processor, so that they are the same on a busy machine: an `up` of a lab that is up.
AGAIN = 1.5
INSTANCE = 't' + hashlib.sha256(bytes(CHECKOUT)).hexdigest()[:7]

pytestmark = [
    pytest.mark.lxc,
    pytest.mark.skipif(os.geteuid() != 0, reason='the lab needs root'),
    pytest.mark.skipif(not shutil.which('apt-get'), reason='the lab needs Debian: apt-get is not here'),
]


def lab(*words: str, stdin: str | None = None, timeout: float = HANGS) -> subprocess.CompletedProcess[str]:
    """Run lab.py for the tests' own instance."""
    environment = dict(os.environ, PHOENIX_LAB_INSTANCE=INSTANCE)
    return subprocess.run(
        [sys.executable, str(LAB), *words],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        timeout=timeout,
        check=False,
    )


def good(*words: str, stdin: str | None = None) -> str:
    """Run lab.py; its output. Fails the test with what it said."""
    done = lab(*words, stdin=stdin)
    assert done.returncode == 0, '{}: {}{}'.format(' '.join(words), done.stdout, done.stderr)
    return done.stdout


def node(command: str) -> subprocess.CompletedProcess[str]:
    """A shell command on the node, over SSH."""
    return lab('ssh', command)


def state() -> dict[str, Any]:
    return json.loads(lab('status', '--json').stdout)


def processor_seconds() -> float:
    """What the processes took that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def until(what: Any, seconds: float = 120) -> Any:
    """The first true answer of what(); what it answers after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


@pytest.fixture(scope='module')
def running_lab() -> Iterator[None]:
    good('down')
    good('up')
    yield
    good('down')


def create(vmid: int, unprivileged: int) -> None:
    """A guest like any in the field, in a clean lab."""
    good(
        'ssh',
        f'pct create {vmid} {TEMPLATE} --rootfs local:2 --hostname g{vmid} --unprivileged {unprivileged} '
        '--memory 256 --features nesting=1 --net0 name=eth0,bridge=vmbr0,ip=dhcp --start 1',
    )


@pytest.fixture
def clean(running_lab: None) -> None:
    good('reset')


def address(vmid: int) -> str:
    def addresses() -> str:
        return str(node(f'lxc-info -n {vmid} -iH').stdout.strip())

    found = until(addresses)
    assert found, f'guest {vmid} got no address from DHCP'
    return str(found)


def test_node_is_shaped_like_one(clean: None) -> None:
    assert re.match(r'pve-manager/9\.\d', good('ssh', 'pveversion'))
    assert good('ssh', 'hostname').strip() == 'pve'
    assert good('ssh', 'readlink /etc/pve/local /etc/pve/lxc').split() == ['nodes/pve', 'nodes/pve/lxc']
    assert good('ssh', 'pct list') == ''
    assert TEMPLATE in good('ssh', 'pveam list local')
    assert good('ssh', 'systemctl is-system-running --wait').strip() == 'running'


WHOLE = 'print PVE::AccessControl::assemble_ticket("root\\@pam")'
SIGNED = (
    'open(my $f, "<", "/etc/pve/priv/authkey.key"); my $key = Crypt::OpenSSL::RSA->new_private_key(join("", <$f>)); '
    'print PVE::Ticket::assemble_rsa_ticket($key, "PVE", "root\\@pam")'
)


def test_ticket_is_minted_as_on_a_node(clean: None) -> None:
    """PVE_FACTS, 'Cost of a call': one Perl start, then HTTPS on the loopback with the certificate's own CA."""
    for modules, program in (('-MPVE::AccessControl', WHOLE), ('-MPVE::Ticket -MCrypt::OpenSSL::RSA', SIGNED)):
        done = node(f'''set -e
t=$(perl {modules} -e '{program}')
curl -sS --cacert /etc/pve/pve-root-ca.pem -b "PVEAuthCookie=$t" https://127.0.0.1:8006/api2/json/version''')
        assert json.loads(done.stdout)['data']['version'].startswith('9.'), done.stderr


@pytest.mark.parametrize('unprivileged', [1, 0])
def test_guest_boots_and_apt_works(clean: None, unprivileged: int) -> None:
    create(950, unprivileged)
    address(950)
    boot = node('pct exec 950 -- systemctl is-system-running --wait')
    assert boot.stdout.strip() == 'running', node('pct exec 950 -- systemctl --failed --no-legend').stdout
    owner = good('ssh', 'stat -c %u /var/lib/vz/images/950/vm-950-disk-0.raw/etc').strip()
    assert owner == ('100000' if unprivileged else '0')
    assert node('pct exec 950 -- sh -c "command -v python3 curl sshd"').stdout == ''
    done = node(
        'pct exec 950 -- sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends '
        'python3-minimal >/dev/null 2>&1 && python3 -c \'print(6 * 7)\'"'
    )
    assert done.stdout.strip().endswith('42'), done.stdout + done.stderr


def test_exit_codes_and_words_of_pct_exec(clean: None) -> None:
    create(950, 1)
    assert node("pct exec 950 -- sh -c 'exit 7'").returncode == 7
    assert node('pct exec 950 -- nosuchcmd').returncode == 127
    good('ssh', 'pct stop 950')
    stopped = node('pct exec 950 -- true')
    assert (stopped.returncode, stopped.stderr.strip()) == (255, "container '950' not running!")
    absent = node('pct exec 951 -- true')
    assert "Configuration file 'nodes/pve/lxc/951.conf' does not exist" in absent.stderr


def test_reboot_keeps_the_disk_and_applies_what_was_pending(clean: None) -> None:
    create(950, 1)
    address(950)
    good('ssh', 'pct exec 950 -- sh -c "echo kept > /root/file"')
    before = good('ssh', 'pct exec 950 -- cat /proc/sys/kernel/random/boot_id')
    good('ssh', 'pct set 950 --nameserver 192.0.2.53')
    assert 'new nameserver: 192.0.2.53' in good('ssh', 'pct pending 950')
    good('ssh', 'pct reboot 950')
    assert good('ssh', 'pct exec 950 -- cat /proc/sys/kernel/random/boot_id') != before
    assert good('ssh', 'pct exec 950 -- cat /root/file').strip() == 'kept'
    assert 'new ' not in good('ssh', 'pct pending 950')


def test_hot_changes_reach_the_guest(clean: None) -> None:
    create(950, 1)
    good('ssh', 'mkdir -p /srv/shared && echo seen > /srv/shared/file')
    good('ssh', 'pct set 950 --memory 300 --swap 0 --mp0 /srv/shared,mp=/mnt/shared --dev0 /dev/fuse,mode=0666')
    assert good('ssh', 'pct exec 950 -- cat /mnt/shared/file').strip() == 'seen'
    assert good('ssh', "pct exec 950 -- stat -c '%F %a' /dev/fuse").strip() == 'character special file 666'
    meminfo = good('ssh', 'pct exec 950 -- cat /proc/meminfo')
    assert re.search(f'MemTotal:\\s+{300 * 1024} kB', meminfo)


def test_raw_line_in_the_conf_file_reaches_the_guest(clean: None) -> None:
    create(950, 1)
    good('ssh', 'pct stop 950 && echo "lxc.environment: PHOENIX=raw" >> /etc/pve/lxc/950.conf && pct start 950')
    assert 'PHOENIX=raw' in good(
        'ssh',
        "pct exec 950 -- tr '\\0' '\\n' < /dev/null; pct exec 950 -- sh -c "
        + shlex.quote("tr '\\0' '\\n' < /proc/1/environ"),
    )


def test_guests_outlive_the_control_plane(clean: None) -> None:
    create(950, 1)
    pid = good('ssh', 'lxc-info -n 950 -pH')
    good('ssh', 'systemctl kill --signal=KILL pveproxy.service')
    assert until(lambda: node('pct status 950').stdout.strip() == 'status: running')
    assert good('ssh', 'lxc-info -n 950 -pH') == pid


def test_clone_has_an_identity_of_its_own(clean: None) -> None:
    create(950, 1)
    address(950)
    good('ssh', 'pct stop 950 && pct clone 950 960 --full 1 --hostname twin && pct start 950 && pct start 960')
    address(960)
    facts = {vmid: good('ssh', f'pct exec {vmid} -- cat /etc/hostname /etc/machine-id').split() for vmid in (950, 960)}
    assert facts[950][0] == 'g950'
    assert facts[960][0] == 'twin'
    assert facts[950][1] != facts[960][1]


def test_service_in_a_guest_is_reached_from_the_host(clean: None) -> None:
    create(950, 1)
    ip = address(950)
    script = (CHECKOUT / 'lab' / 'demo' / 'phoenix_hypervisor_lxc_951.sh').read_text()
    good(
        'ssh',
        'cat > /root/app.sh && pct push 950 /root/app.sh /root/app.sh && pct exec 950 -- sh /root/app.sh',
        stdin=script,
    )

    def answer() -> Any:
        try:
            return json.loads(urllib.request.urlopen(f'http://{ip}:8080/', timeout=2).read())
        except OSError:
            return None

    assert until(answer)['host'] == 'g950'


def test_destroy_leaves_nothing_on_the_node(clean: None) -> None:
    create(950, 1)
    refused = node('pct destroy 950')
    assert (refused.returncode, refused.stderr.strip()) == (255, 'unable to destroy CT 950 - container is running')
    good('ssh', 'pct destroy 950 --force')
    left = good('ssh', 'ls /etc/pve/lxc /var/lib/vz/images /var/lib/lxc; ls /sys/class/net | grep veth950 || true')
    assert '950' not in left


def test_second_up_is_quick_and_keeps_guests(clean: None) -> None:
    create(950, 1)
    before = processor_seconds()
    done = lab('up')
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1), done.stderr  # it is up, and nothing else
    assert processor_seconds() - before < AGAIN
    assert 'running' in good('ssh', 'pct status 950')


def test_a_node_is_reset_as_often_as_tests_want_it(clean: None) -> None:
    """By default systemd starts a unit five times within ten seconds and then no more: what reset-guests starts."""
    good('ssh', 'for turn in 1 2 3 4 5 6; do systemctl restart phoenix-lab-dhcp pveproxy || exit 1; done')


def test_reset_forgets_guests_and_product(clean: None) -> None:
    create(950, 1)
    good('ssh', 'mkdir -p /var/lib/phoenix_hypervisor/state && touch /var/lib/phoenix_hypervisor/state/950.state')
    good('reset')
    assert (
        good(
            'ssh',
            'pct list; find /var/lib/vz/images /etc/pve/lxc/ /var/lib/lxc -mindepth 1; '
            'find /var/lib -path /var/lib/vz/.trash -prune -o -name phoenix_hypervisor -print',
        )
        == ''
    )


def test_pve_8_has_its_own_defaults(clean: None) -> None:
    """PVE_FACTS, 'How PVE rewrites what you send': PVE 8 creates privileged guests, PVE 9 unprivileged ones."""
    try:
        for version, expected in (('8', False), ('9', True)):
            good('up', '--pve-version', version)
            good('ssh', f'pct create 95{version} {TEMPLATE} --rootfs local:1')
            assert ('unprivileged: 1' in good('ssh', 'pct config 95' + version)) is expected
    finally:
        good('up', '--pve-version', '9')


def test_killed_up_is_taken_over_and_down_leaves_nothing(running_lab: None) -> None:
    """Kill `up` at several moments; the next up gives a working lab, and the last down leaves nothing."""
    environment = dict(os.environ, PHOENIX_LAB_INSTANCE=INSTANCE)
    for seconds in (0.15, 0.3, 0.6):
        good('down')
        victim = subprocess.Popen(
            [sys.executable, str(LAB), 'up'], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            victim.wait(seconds)
        except subprocess.TimeoutExpired:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        done = lab('up')
        assert done.returncode == 0, done.stderr
        assert 'building' not in done.stderr
        assert good('ssh', 'systemctl is-active pveproxy').strip() == 'active'
    create(950, 1)
    good('down')
    assert state()['leftovers'] == []
    assert not (CHECKOUT / '.lab' / INSTANCE).exists()
    assert INSTANCE not in subprocess.run(['nft', 'list', 'tables'], capture_output=True, text=True, check=False).stdout
    assert INSTANCE not in subprocess.run(['ip', '-br', 'link'], capture_output=True, text=True, check=False).stdout
    cgroups = subprocess.run(
        ['find', '/sys/fs/cgroup', '-maxdepth', '2', '-name', '*phoenix-lab-' + INSTANCE],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert cgroups == ''
    good('up')
