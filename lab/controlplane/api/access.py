# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: tickets, tokens with and without privilege separation, roles."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web
from fakepve.generic import GenericApi
from fakepve.model import PveError
from fakepve.server import FORMATS, FakePve

from .signed import SignedTickets

# The roles that the tests and the documentation of a service account name, as PVE 8.4 and 9 define them.
ROLES = {
    'PVEAuditor': ('Datastore.Audit', 'Mapping.Audit', 'Pool.Audit', 'SDN.Audit', 'Sys.Audit', 'VM.Audit'),
    'PVEDatastoreUser': ('Datastore.AllocateSpace', 'Datastore.Audit'),
    'PVESDNUser': ('SDN.Audit', 'SDN.Use'),
    'PVEVMAdmin': (
        'VM.Allocate',
        'VM.Audit',
        'VM.Backup',
        'VM.Clone',
        'VM.Config.CDROM',
        'VM.Config.CPU',
        'VM.Config.Cloudinit',
        'VM.Config.Disk',
        'VM.Config.HWType',
        'VM.Config.Memory',
        'VM.Config.Network',
        'VM.Config.Options',
        'VM.Console',
        'VM.Migrate',
        'VM.Monitor',
        'VM.PowerMgmt',
        'VM.Snapshot',
        'VM.Snapshot.Rollback',
    ),
    'PVEVMUser': ('VM.Audit', 'VM.Backup', 'VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Console', 'VM.PowerMgmt'),
}


class Access(FakePve):
    """Part of LabPve. acl is always set, so fakepve checks every privilege."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.acl: dict[str, Any] = {}
        # Tokens that have only what was granted to them; the others have what their user has.
        self.separated: set[str] = set()
        self.signed = SignedTickets()

    def add_token(self, tokenid: str, secret: str, privsep: bool = True) -> None:
        """Make an API token, user@realm!name; privsep is PVE's default."""
        self.apitokens[tokenid] = secret
        if privsep:
            self.separated.add(tokenid)

    def grant_role(self, user: str, path: str, role: str) -> None:
        """pveum acl modify PATH --users USER --roles ROLE (or --tokens)."""
        self.grant(user, path, *ROLES[role])

    def mint_ticket(self, user: str) -> tuple[str, str]:
        """A ticket and its CSRF token for any user, as root on a node can make them without a password."""
        return self.issue_ticket(user)

    # ----------------------------------------------------------- permissions
    def allowed(self, user: str, path: str, priv: str) -> bool:
        """fakepve's rule; a separated token has the privileges of both itself and its user."""
        if user not in self.separated:
            return super().allowed(user.split('!', maxsplit=1)[0], path, priv)
        if not super().allowed(user.split('!', maxsplit=1)[0], path, priv):
            return False
        return any(
            priv in privs and (granted == '/' or path == granted or path.startswith(granted + '/'))
            for granted, privs in self.acl.get(user, [])
        )

    def check_permissions(self, user: str | None, perms: Any, values: Any, declared: Any = None) -> None:
        """fakepve lets everything of root@pam pass; a separated token of root is checked."""
        if user not in self.separated:
            return super().check_permissions(user, perms, values, declared)
        rule = perms or {}
        if 'check' in rule:
            fine, why = GenericApi._check(self, user, rule['check'], values, declared)
        else:
            fine, why = rule.get('user') in ('all', 'world'), 'user != root@pam'
        if not fine:
            raise PveError(403, f'Permission check failed ({why})' if why else 'Permission check failed')
        return None

    # -------------------------------------------------------- authentication
    async def _ticket(self, request: web.Request) -> web.Response:
        if '@' not in str((await self.read_params(request)).get('username', '')):
            raise PveError(401, 'authentication failure')
        return await super()._ticket(request)

    def _authenticate(self, request: web.Request) -> str | None:
        if request.path in tuple(prefix + '/access/ticket' for prefix in FORMATS):
            return None
        header = request.headers.get('Authorization', '')
        if header.startswith('PVEAPIToken'):
            tokenid, _equals, secret = header[len('PVEAPIToken=') :].partition('=')
            if not secret or self.apitokens.get(tokenid) != secret:
                raise PveError(401, 'Authentication failed!')
            return tokenid
        ticket = request.cookies.get('PVEAuthCookie')
        if not ticket:
            raise PveError(401, 'No ticket')
        token = request.headers.get('CSRFPreventionToken', '')
        session = self.tickets.get(ticket)
        if session is not None and session['expires'] >= time.time():
            user, is_right = session['user'], token == session['csrf']
        else:
            user = self.signed.user(ticket)
            if user is None:
                raise PveError(401, 'permission denied - invalid PVE ticket')
            is_right = self.signed.is_token_of(user, token)
        if request.method not in ('GET', 'HEAD') and not is_right:
            raise PveError(401, 'Permission denied - invalid csrf token')
        return user
