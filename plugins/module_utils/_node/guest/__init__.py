# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Into a container: bounded reads of what it answers, commands inside it, and the processes they leave.

What a container answers counts for that container only.
"""
