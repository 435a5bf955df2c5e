# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What acts on the node: Python 3.9 and the standard library only, nothing of the controller.

Here lies what every package below uses: the product's files, the audit trail, the fence,
the base of errors, and how a module begins and ends.
"""
