# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, groups, roles, ACLs and tokens that stay: fakepve answers such writes with 200 and forgets them.

Kept in /etc/pve/user.cfg and /etc/pve/priv/token.cfg in PVE's own form (PVE::AccessControl, parse_user_config), and
turned into fakepve's `acl`, so that what was granted over the API is what is checked.
"""

from __future__ import annotations

import os
import secrets
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

from fakepve.model import PveError
from fakepve.routing import split_list
from fakepve.server import FakePve
from fakepve.shapes import PRIVILEGES

from .access import ROLES

_USER_FIELDS = ('enable', 'expire', 'firstname', 'lastname', 'email', 'comment', 'keys')
_BUILT_IN = {**ROLES, 'Administrator': PRIVILEGES, 'NoAccess': ()}


def _text(value: Any) -> str:
    """A field of user.cfg: PVE writes what would end it as %XX."""
    return str(value).replace('%', '%25').replace(':', '%3A').replace('\n', '%0A')


class AccessStore(FakePve):
    """Part of LabPve, before Access: the folder is where user.cfg lies, None keeps nothing on disk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_dir: Path | None = None
        self.pve_users: dict[str, dict[str, Any]] = {'root@pam': {'enable': 1, 'expire': 0}}
        self.pve_groups: dict[str, dict[str, Any]] = {}
        self.pve_roles: dict[str, set[str]] = {}
        self.pve_tokens: dict[str, dict[str, Any]] = {}
        # (path, kind, who, role) -> propagate
        self.pve_acl: dict[tuple[str, str, str, str], int] = {}

    def _routes_labaccess(self) -> list[tuple[str, str, Any]]:
        user, token = '/access/users/{userid}', '/access/users/{userid}/token/{tokenid}'
        return [
            ('GET', '/access/users', self._users_list),
            ('POST', '/access/users', self._users_create),
            ('GET', user, self._users_read),
            ('PUT', user, self._users_update),
            ('DELETE', user, self._users_delete),
            ('GET', '/access/users/{userid}/token', self._tokens_list),
            ('GET', token, self._tokens_read),
            ('POST', token, self._tokens_create),
            ('DELETE', token, self._tokens_delete),
            ('GET', '/access/groups', self._groups_list),
            ('POST', '/access/groups', self._groups_create),
            ('PUT', '/access/groups/{groupid}', self._groups_update),
            ('DELETE', '/access/groups/{groupid}', self._groups_delete),
            ('GET', '/access/roles', self._roles_list),
            ('POST', '/access/roles', self._roles_create),
            ('PUT', '/access/roles/{roleid}', self._roles_update),
            ('DELETE', '/access/roles/{roleid}', self._roles_delete),
            ('GET', '/access/acl', self._acl_list),
            ('PUT', '/access/acl', self._acl_update),
        ]

    # ------------------------------------------------------------------ users
    def _user(self, userid: str) -> dict[str, Any]:
        if userid not in self.pve_users:
            raise PveError(500, f"no such user ('{userid}')")
        return self.pve_users[userid]

    def _groups_of(self, userid: str) -> list[str]:
        return sorted(name for name, group in self.pve_groups.items() if userid in group['users'])

    def _join(self, userid: str, v: Any) -> None:
        wanted = split_list(v.get('groups'))
        for name in wanted:
            if name not in self.pve_groups:
                raise PveError(500, f"no such group '{name}'")
        if v.get('groups') is not None:
            for name, group in self.pve_groups.items():
                if name in wanted:
                    group['users'].add(userid)
                elif not int(v.get('append') or 0):
                    group['users'].discard(userid)

    async def _users_list(self, v: Any, _user: str) -> list[dict[str, Any]]:
        rows = []
        for userid, user in sorted(self.pve_users.items()):
            row = {'userid': userid, **user, 'realm-type': userid.rpartition('@')[2]}
            if int(v.get('full') or 0):
                row['groups'] = ','.join(self._groups_of(userid))
                row['tokens'] = [
                    {'tokenid': key.partition('!')[2], **value}
                    for key, value in sorted(self.pve_tokens.items())
                    if key.startswith(userid + '!')
                ]
            rows.append(row)
        return rows

    async def _users_create(self, v: Any, _user: str) -> None:
        userid = v['userid']
        if userid in self.pve_users:
            raise PveError(500, f"create user failed: user '{userid}' already exists")
        self._join(userid, v)
        given = {key: v[key] for key in _USER_FIELDS if v.get(key) is not None}
        self.pve_users[userid] = {'enable': 1, 'expire': 0, **given}
        if v.get('password'):
            self.users[userid] = v['password']
        self._keep_access()

    async def _users_read(self, v: Any, _user: str) -> dict[str, Any]:
        return {**self._user(v['userid']), 'groups': self._groups_of(v['userid'])}

    async def _users_update(self, v: Any, _user: str) -> None:
        user = self._user(v['userid'])
        self._join(v['userid'], v)
        user.update((key, v[key]) for key in _USER_FIELDS if v.get(key) is not None)
        self._keep_access()

    async def _users_delete(self, v: Any, _user: str) -> None:
        self._user(v['userid'])
        del self.pve_users[v['userid']]
        for group in self.pve_groups.values():
            group['users'].discard(v['userid'])
        for key in [key for key in self.pve_tokens if key.startswith(v['userid'] + '!')]:
            self._drop_token(key)
        self._drop_acl(lambda kind, who: kind == 'user' and who == v['userid'])
        self._keep_access()

    # ----------------------------------------------------------------- tokens
    async def _tokens_list(self, v: Any, _user: str) -> list[dict[str, Any]]:
        self._user(v['userid'])
        return [
            {'tokenid': key.partition('!')[2], **value}
            for key, value in sorted(self.pve_tokens.items())
            if key.startswith(v['userid'] + '!')
        ]

    async def _tokens_read(self, v: Any, _user: str) -> dict[str, Any]:
        key = '{userid}!{tokenid}'.format(**v)
        if key not in self.pve_tokens:
            raise PveError(500, f"no such token '{v['tokenid']}' for user '{v['userid']}'")
        return self.pve_tokens[key]

    async def _tokens_create(self, v: Any, _user: str) -> dict[str, Any]:
        self._user(v['userid'])
        key = '{userid}!{tokenid}'.format(**v)
        if key in self.pve_tokens:
            raise PveError(400, 'Parameter verification failed.', {'tokenid': 'Token already exists.'})
        info = {'expire': int(v.get('expire') or 0), 'privsep': int(v.get('privsep', 1))}
        if v.get('comment'):
            info['comment'] = v['comment']
        self.pve_tokens[key] = info
        secret = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        self.add_token(key, secret, bool(info['privsep']))
        self._keep_access()
        return {'full-tokenid': key, 'info': {k: str(x) for k, x in info.items()}, 'value': secret}

    async def _tokens_delete(self, v: Any, _user: str) -> None:
        await self._tokens_read(v, _user)
        self._drop_token('{userid}!{tokenid}'.format(**v))
        self._keep_access()

    def _drop_token(self, key: str) -> None:
        del self.pve_tokens[key]
        self.apitokens.pop(key, None)
        self.separated.discard(key)
        self._drop_acl(lambda kind, who: kind == 'token' and who == key)

    # ----------------------------------------------------------------- groups
    def _group(self, groupid: str, verb: str) -> dict[str, Any]:
        if groupid not in self.pve_groups:
            raise PveError(500, f"{verb} group failed: group '{groupid}' does not exist")
        return self.pve_groups[groupid]

    async def _groups_list(self, _v: Any, _user: str) -> list[dict[str, Any]]:
        return [
            {'groupid': name, 'comment': group['comment'], 'users': ','.join(sorted(group['users']))}
            for name, group in sorted(self.pve_groups.items())
        ]

    async def _groups_create(self, v: Any, _user: str) -> None:
        if v['groupid'] in self.pve_groups:
            raise PveError(500, f"create group failed: group '{v['groupid']}' already exists")
        self.pve_groups[v['groupid']] = {'comment': v.get('comment') or '', 'users': set()}
        self._keep_access()

    async def _groups_update(self, v: Any, _user: str) -> None:
        group = self._group(v['groupid'], 'update')
        if v.get('comment') is not None:
            group['comment'] = v['comment']
        self._keep_access()

    async def _groups_delete(self, v: Any, _user: str) -> None:
        self._group(v['groupid'], 'delete')
        del self.pve_groups[v['groupid']]
        self._drop_acl(lambda kind, who: kind == 'group' and who == v['groupid'])
        self._keep_access()

    # ------------------------------------------------------------------ roles
    def _role(self, roleid: str) -> set[str]:
        if roleid in _BUILT_IN:
            raise PveError(500, f"auto-generated role '{roleid}' cannot be modified")
        if roleid not in self.pve_roles:
            raise PveError(500, f"role '{roleid}' does not exist")
        return self.pve_roles[roleid]

    @staticmethod
    def _privileges(text: Any) -> set[str]:
        for name in split_list(text):
            if name not in PRIVILEGES:
                raise PveError(400, 'Parameter verification failed.', {'privs': f"unknown privilege '{name}'"})
        return set(split_list(text))

    async def _roles_list(self, _v: Any, _user: str) -> list[dict[str, Any]]:
        rows = [{'roleid': name, 'privs': ','.join(sorted(p)), 'special': 1} for name, p in _BUILT_IN.items()]
        rows += [{'roleid': name, 'privs': ','.join(sorted(p)), 'special': 0} for name, p in self.pve_roles.items()]
        return sorted(rows, key=lambda row: row['roleid'])

    async def _roles_create(self, v: Any, _user: str) -> None:
        if v['roleid'] in self.pve_roles or v['roleid'] in _BUILT_IN:
            raise PveError(500, f"create role failed: role '{v['roleid']}' already exists")
        self.pve_roles[v['roleid']] = self._privileges(v.get('privs'))
        self._keep_access()

    async def _roles_update(self, v: Any, _user: str) -> None:
        role = self._role(v['roleid'])
        if not int(v.get('append') or 0):
            role.clear()
        role |= self._privileges(v.get('privs'))
        self._keep_access()

    async def _roles_delete(self, v: Any, _user: str) -> None:
        self._role(v['roleid'])
        del self.pve_roles[v['roleid']]
        self._keep_access()

    # -------------------------------------------------------------------- ACL
    async def _acl_list(self, _v: Any, _user: str) -> list[dict[str, Any]]:
        return [
            {'path': path, 'type': kind, 'ugid': who, 'roleid': role, 'propagate': propagate}
            for (path, kind, who, role), propagate in sorted(self.pve_acl.items())
        ]

    async def _acl_update(self, v: Any, _user: str) -> None:
        path = '/' + '/'.join(part for part in v['path'].split('/') if part)
        known = {'user': self.pve_users, 'group': self.pve_groups, 'token': self.pve_tokens}
        for role in split_list(v['roles']):
            if role not in _BUILT_IN and role not in self.pve_roles:
                raise PveError(500, f"role '{role}' does not exist")
            for kind, objects in known.items():
                for who in split_list(v.get(kind + 's')):
                    if who not in objects:
                        raise PveError(500, f"{kind} '{who}' does not exist")
                    if int(v.get('delete') or 0):
                        self.pve_acl.pop((path, kind, who, role), None)
                    else:
                        self.pve_acl[path, kind, who, role] = int(v.get('propagate', 1))
        self._keep_access()

    def _drop_acl(self, which: Any) -> None:
        self.pve_acl = {key: value for key, value in self.pve_acl.items() if not which(key[1], key[2])}

    # ------------------------------------------------------------ permissions
    def _keep_access(self) -> None:
        """Write the files, and give fakepve's `acl` what the entries grant now."""
        acl: dict[str, list[tuple[str, set[str]]]] = {}
        for path, kind, who, role in self.pve_acl:
            privileges = set(_BUILT_IN.get(role, ())) | self.pve_roles.get(role, set())
            for name in self.pve_groups[who]['users'] if kind == 'group' else (who,):
                acl.setdefault(name, []).append((path, privileges))
        self.acl = acl
        if self.access_dir is not None:
            self._write('user.cfg', 0o640, self._user_cfg())
            lines = [f'{key} {self.apitokens[key]}\n' for key in sorted(self.pve_tokens)]
            self._write('priv/token.cfg', 0o600, ''.join(lines))

    def _sync_pools(self) -> None:
        """Pools are part of the same file."""
        super()._sync_pools()
        if self.access_dir is not None:
            self._write('user.cfg', 0o640, self._user_cfg())

    async def _pool_create(self, v: Any, user: str) -> None:
        await super()._pool_create(v, user)
        self._sync_pools()

    async def _pool_delete(self, v: Any, user: str) -> None:
        await super()._pool_delete(v, user)
        self._sync_pools()

    def _user_cfg(self) -> str:
        lines = []
        for userid, user in sorted(self.pve_users.items()):
            fields = [userid, *(_text(user.get(key, '')) for key in _USER_FIELDS)]
            lines.append(f'user:{":".join(fields)}:')
            for key, token in sorted(self.pve_tokens.items()):
                if key.startswith(userid + '!'):
                    lines.append(f'token:{key}:{token["expire"]}:{token["privsep"]}:{_text(token.get("comment", ""))}:')
        lines.append('')
        for name, group in sorted(self.pve_groups.items()):
            lines.append(f'group:{name}:{",".join(sorted(group["users"]))}:{_text(group["comment"])}:')
        lines.append('')
        lines += [f'role:{name}:{",".join(sorted(privs))}:' for name, privs in sorted(self.pve_roles.items())]
        lines.append('')
        for name, guests in sorted(self.pools.items()):
            meta = self._pool_meta(name)
            members = ','.join(map(str, sorted(guests)))
            storages = ','.join(sorted(meta['storage']))
            lines.append(f'pool:{name}:{_text(meta["comment"] or "")}:{members}:{storages}:')
        lines.append('')
        for (path, kind, who, role), propagate in sorted(self.pve_acl.items()):
            lines.append(f'acl:{propagate}:{path}:{"@" if kind == "group" else ""}{who}:{role}:')
        return '\n'.join(lines) + '\n'

    def _write(self, name: str, mode: int, text: str) -> None:
        assert self.access_dir is not None
        path = self.access_dir / name
        temporary = path.with_name(path.name + '.new')
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'w') as file:
            file.write(text)
        temporary.rename(path)

    def load_access(self, folder: Path) -> None:
        """Read what an earlier control plane kept in the folder, and keep it there from now on."""
        self.access_dir = folder
        path = folder / 'user.cfg'
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            kind, *rest = (urllib.parse.unquote(part) for part in line.split(':'))
            if kind == 'user':
                values = dict(zip(_USER_FIELDS, rest[1:], strict=False))
                numbers = {key: int(values.pop(key) or 0) for key in ('enable', 'expire')}
                self.pve_users[rest[0]] = {**numbers, **{key: value for key, value in values.items() if value}}
            elif kind == 'token':
                info: dict[str, Any] = {'expire': int(rest[1]), 'privsep': int(rest[2])}
                self.pve_tokens[rest[0]] = {**info, **({'comment': rest[3]} if rest[3] else {})}
            elif kind == 'group':
                self.pve_groups[rest[0]] = {'comment': rest[2], 'users': set(split_list(rest[1]))}
            elif kind == 'pool':
                self.pools[rest[0]] = {int(each) for each in split_list(rest[2])}
                self.pool_info[rest[0]] = {'comment': rest[1] or None, 'storage': set(split_list(rest[3]))}
            elif kind == 'role':
                self.pve_roles[rest[0]] = set(split_list(rest[1]))
            elif kind == 'acl':
                who = rest[2]
                group = 'group' if who.startswith('@') else 'token' if '!' in who else 'user'
                self.pve_acl[rest[1], group, who.lstrip('@'), rest[3]] = int(rest[0])
        secrets_file = folder / 'priv' / 'token.cfg'
        for line in secrets_file.read_text().splitlines() if secrets_file.exists() else ():
            key, _blank, secret = line.partition(' ')
            self.add_token(key, secret, bool(self.pve_tokens[key]['privsep']))
        if lines:
            self._keep_access()
