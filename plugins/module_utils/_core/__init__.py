# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only computes: no I/O, no clock, no chance, nothing of Ansible; Python 3.9.

Here lies what every package below uses: the audit trail's line, and text that came out of a container made safe.
"""
