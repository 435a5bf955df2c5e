# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's control plane: PyPI's fakepve, taught to keep /etc/pve/lxc and to act on real guests.

The judge of what it answers is a recorded node; see tests/integration/conformance and lab/CONFORMANCE.md.
"""
