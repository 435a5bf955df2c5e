# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs for a node that has none: what NVIDIA's driver shows under /proc, /sys and /dev, in the shape of a recording.

Files lie over the node's /proc and /sys by mounts of its own; the device nodes have the numbers of /dev/full, which
anybody may open and nobody else does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

HOME = Path('/run/phoenix-lab/gpu')
DRIVER = HOME / 'driver'  # guests see this folder as their /proc/driver, as all of a kernel's containers do
SHARE = Path('/opt/phoenix-lab/share')
NUMBER = os.makedev(1, 7)
VERSION = '570.124.06'
MODULES = ('nvidia', 'nvidia_uvm', 'nvidia_modeset')
PROGRAMS = {Path('/usr/bin/nvidia-smi'): 'nvidia-smi', Path('/usr/bin/nvidia-modprobe'): 'nvidia-modprobe'}
# In the driver's own words, as its open kernel module shows them.
PROC_VERSION = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (dvs-builder@U22)
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
INFORMATION = """Model: \t\t NVIDIA GeForce RTX 5060 Ti
IRQ:   \t\t {irq}
GPU UUID: \t {uuid}
Video BIOS: \t 98.06.1f.00.9e
Bus Type: \t PCIe
DMA Size: \t 47 bits
DMA Mask: \t 0x7fffffffffff
Bus Location: \t {address}
Device Minor: \t {minor}
GPU Firmware: \t {version}
GPU Excluded:\t No
"""
# A capability's minor number, and its file; the first two are there on every node, the others with the instance.
CAPABILITIES = ((1, 'mig/config', 256), (2, 'mig/monitor', 292))
MIG = ((12, 'gpu0/mig/gi1/access', 292), (13, 'gpu0/mig/gi1/ci0/access', 292))
CAPABILITY = 'DeviceFileMinor: {minor}\nDeviceFileMode: {mode}\nDeviceFileModify: 1\n'


def main(words: list[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog='lab.py gpu', description='GPUs of the node, simulated')
    commands = parser.add_subparsers(dest='command', required=True)
    on = commands.add_parser('on', help='give the node GPUs, instead of those that it has')
    on.add_argument('count', type=int, help='how many; 0 is a driver that found none')
    on.add_argument('--driver', default=VERSION, help='version of the loaded kernel module')
    on.add_argument('--mig', action='store_true', help='the first GPU has one MIG instance')
    on.add_argument('--module', action='append', default=[], help='NAME=VERSION: a module of another version')
    on.add_argument('--without', action='append', default=[], help='a device node that is missing')
    on.add_argument('--memory', type=int, default=16311, help='MiB of each GPU')
    driver = commands.add_parser('driver', help='another version of the driver, as after an upgrade and a reboot')
    driver.add_argument('version')
    commands.add_parser('nodes', help='make the device nodes that are missing')
    commands.add_parser('off', help='no driver, no GPU')
    commands.add_parser('nouveau', help='the free driver is loaded, until the next boot')
    runfile = commands.add_parser('runfile', help='write a stand-in of the driver\'s run file, and its checksum')
    runfile.add_argument('version')
    runfile.add_argument('folder', type=Path)
    arguments = parser.parse_args(words)
    handlers = {'on': _on, 'driver': _driver, 'nodes': _nodes, 'off': _off, 'nouveau': _nouveau, 'runfile': _runfile}
    handlers[arguments.command](arguments)
    return 0


def rendered(name: str, version: str) -> str:
    """A stand-in's text, of one version. A part that it carries itself is put in whole."""
    text = (SHARE / name).read_text()
    if '@NVIDIA_SMI@' in text:
        text = text.replace('@NVIDIA_SMI@', (SHARE / 'nvidia-smi').read_text().rstrip('\n'))
    return text.replace('@VERSION@', version)


def _on(given: argparse.Namespace) -> None:
    _off(given)
    settings = {name: getattr(given, name) for name in ('count', 'driver', 'mig', 'module', 'without', 'memory')}
    _show(settings)
    _nodes(given)


def _driver(given: argparse.Namespace) -> None:
    settings = _settings()
    if not settings:
        sys.exit('the node has no driver: lab.py gpu on')
    _show({**settings, 'driver': given.version, 'module': []})


def _settings() -> dict[str, Any]:
    try:
        return dict(json.loads((HOME / 'settings.json').read_text()))
    except OSError:
        return {}


def _show(settings: dict[str, Any]) -> None:
    """Write what the driver shows, and lay it over /proc and /sys where it does not lie there yet."""
    version = settings['driver']
    DRIVER.mkdir(parents=True, exist_ok=True)
    (HOME / 'settings.json').write_text(json.dumps(settings))
    (HOME / 'memory').write_text(f'{settings["memory"]}\n')
    _write(DRIVER / 'nvidia/version', PROC_VERSION.format(version=version))
    for number in range(settings['count']):
        address = f'0000:{number + 1:02x}:00.0'
        uuid = f'GPU-{number:08x}-aaaa-bbbb-cccc-0123456789ab'
        text = INFORMATION.format(irq=170 + number, uuid=uuid, address=address, minor=number, version=version)
        _write(DRIVER / 'nvidia/gpus' / address / 'information', text)
    (DRIVER / 'nvidia/gpus').mkdir(exist_ok=True)
    _write(DRIVER / 'nvidia-caps/mig-minors', _mig_minors())
    for minor, name, mode in _capabilities(settings):
        _write(DRIVER / 'nvidia/capabilities' / name, CAPABILITY.format(minor=minor, mode=mode))
    if not os.path.ismount('/proc/driver'):
        subprocess.run(['mount', '--bind', DRIVER, '/proc/driver'], check=True)
    if not _covered('/proc/devices'):
        names = ('nvidia', 'nvidia-modeset', 'nvidiactl', 'nvidia-caps', 'nvidia-uvm')
        lines = ''.join(f'  {os.major(NUMBER)} {name}\n' for name in names)
        _write(HOME / 'devices', Path('/proc/devices').read_text().replace('\n\nBlock', f'\n{lines}\nBlock'))
        subprocess.run(['mount', '--bind', HOME / 'devices', '/proc/devices'], check=True)
    _cover_modules()
    others = dict(item.split('=', 1) for item in settings['module'])
    for name in MODULES:
        _write(Path('/sys/module', name, 'version'), others.get(name, version) + '\n')
    for program, name in PROGRAMS.items():
        _write(program, rendered(name, version))
        program.chmod(0o755)


def _cover_modules() -> None:
    if not os.path.ismount('/sys/module'):
        layers = [HOME / 'module' / name for name in ('upper', 'work')]
        for layer in layers:
            layer.mkdir(parents=True, exist_ok=True)
        options = f'lowerdir=/sys/module,upperdir={layers[0]},workdir={layers[1]}'
        subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o', options, '/sys/module'], check=True)


def _nouveau(_given: argparse.Namespace) -> None:
    _cover_modules()
    Path('/sys/module/nouveau').mkdir(exist_ok=True)


def _capabilities(settings: dict[str, Any]) -> tuple[tuple[int, str, int], ...]:
    return CAPABILITIES + (MIG if settings.get('mig') else ())


def _mig_minors() -> str:
    """The driver's table of all instances that there could be, on whatever card: their numbers are fixed."""
    lines = ['config 1', 'monitor 2']
    for gpu in range(32):
        for instance in range(15):
            first = 3 + 135 * gpu + 9 * instance
            lines.append(f'gpu{gpu}/gi{instance}/access {first}')
            lines += [f'gpu{gpu}/gi{instance}/ci{part}/access {first + 1 + part}' for part in range(8)]
    return '\n'.join(lines) + '\n'


def _covered(path: str) -> bool:
    """Whether a file has another one mounted over it."""
    return f' {path} ' in Path('/proc/self/mountinfo').read_text()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _nodes(_given: argparse.Namespace) -> None:
    """As nvidia-modprobe does."""
    settings = _settings()
    wanted = {f'/dev/nvidia{number}': 0o666 for number in range(settings.get('count', 0))}
    wanted |= {f'/dev/nvidia{name}': 0o666 for name in ('ctl', '-modeset', '-uvm', '-uvm-tools')}
    wanted |= {f'/dev/nvidia-caps/nvidia-cap{minor}': mode for minor, _name, mode in _capabilities(settings)}
    for path, mode in wanted.items():
        if settings and path not in settings['without'] and not os.path.exists(path):
            Path(path).parent.mkdir(exist_ok=True)
            os.mknod(path, stat.S_IFCHR | mode, NUMBER)
            os.chmod(path, mode)


def _off(_given: argparse.Namespace) -> None:
    """Everything away. The folder that guests look into stays, empty."""
    for covered in ('/sys/module', '/proc/devices', '/proc/driver'):
        if _covered(covered):
            subprocess.run(['umount', covered], check=True)
    for path in (*Path('/dev').glob('nvidia[0-9]*'), *map(Path, ('/dev/nvidiactl', '/dev/nvidia-modeset'))):
        path.unlink(missing_ok=True)
    for path in (Path('/dev/nvidia-uvm'), Path('/dev/nvidia-uvm-tools'), *PROGRAMS, HOME / 'settings.json'):
        path.unlink(missing_ok=True)
    for folder in (Path('/dev/nvidia-caps'), *DRIVER.glob('*'), HOME / 'module'):
        shutil.rmtree(folder, ignore_errors=True)  # not there before the first GPU


def _runfile(given: argparse.Namespace) -> None:
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / f'NVIDIA-Linux-x86_64-{given.version}.run'
    path.write_text(rendered('nvidia-runfile', given.version))
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + '.sha256sum').write_text(f'{checksum}  {path.name}\n')
    print(checksum)
