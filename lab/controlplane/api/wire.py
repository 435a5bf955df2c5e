# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP as pveproxy speaks it: which bad requests are refused how, and the record of all requests."""

from __future__ import annotations

import copy
import json
import re
import urllib.parse
from typing import Any

from aiohttp import web
from fakepve import schema as pve_schema
from fakepve.generic import GenericApi
from fakepve.model import PveError
from fakepve.server import GENERIC, USER, FakePve, collect, ok

# Parameters that came with PVE 9.
_NEW_OPTIONS = ('entrypoint', 'env')
_NEW_KEYS = {'net[n]': ('host-managed',), 'mp[n]': ('idmap', 'keepattrs'), 'rootfs': ('idmap',)}
_UNKNOWN_KEY = re.compile(r'invalid format - invalid key in comma-separated list property: (.*)\n')
_JSON_LINE = (
    'malformed JSON string, neither tag, array, object, number, string or atom, at character offset {0} '
    '(before "{1}") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 917.'
)


def bare_path(path: str) -> str:
    """The API path without /api2/json."""
    return re.sub(r'^/api2/(json|extjs)', '', path) or '/'


class Wire(FakePve):
    """Part of LabPve: parameters, schema checks, refusals, middleware."""

    pve_version: int
    _trimmed: dict[tuple[str, str], Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trimmed = {}
        # PVE seconds before a 401 is answered.
        self.denial_delay = 3.0

    # ------------------------------------------------------------- parameters
    async def read_params(self, request: web.Request) -> dict[str, Any]:
        """Query, form or JSON parameters. Empty values stay: they unset options."""
        out = collect(urllib.parse.parse_qsl(request.query_string, keep_blank_values=True))
        body = await request.read()
        if not body or request.content_type == 'multipart/form-data':
            return out
        if request.content_type == 'application/json':
            data = json.loads(body)
            out.update(data if isinstance(data, dict) else {})
        else:
            out.update(collect(urllib.parse.parse_qsl(body.decode(errors='replace'), keep_blank_values=True)))
        return out

    def _info(self, template: str, method: str) -> Any:
        """The schema of a method, without what this version of PVE does not know yet."""
        info = pve_schema.load().paths[template].get(method)
        if info is None or self.pve_version >= 9 or not template.startswith('/nodes/{node}/lxc'):
            return info
        key = (template, method)
        if key not in self._trimmed:
            info = copy.deepcopy(info)
            props = (info.get('parameters') or {}).get('properties') or {}
            for name in _NEW_OPTIONS:
                props.pop(name, None)
            for name, keys in _NEW_KEYS.items():
                for sub in keys:
                    if isinstance((props.get(name) or {}).get('format'), dict):
                        props[name]['format'].pop(sub, None)
            self._trimmed[key] = info
        return self._trimmed[key]

    def _checked(self, spec: Any, values: dict[str, Any]) -> dict[str, Any]:
        """The values as PVE's schema takes them, or its 400."""
        props = (spec or {}).get('properties') or {}
        out, errors = pve_schema.validate(spec, values)
        for name, value in values.items():
            kind = (pve_schema._prop(props, name) or {}).get('type')
            if kind == 'boolean' and isinstance(value, str) and value not in ('0', '1'):
                errors[name] = f"type check ('boolean') failed - got '{value}'"
            elif kind == 'number' and name not in errors:
                out[name] = str(value)  # cpulimit is kept as it was written
            if name in errors:
                # 8 words a key that is not in the format as any other unknown property.
                found = _UNKNOWN_KEY.fullmatch(errors[name])
                if found:
                    errors[name] = (
                        f'invalid format - format error\n{name}.{found.group(1)}: property is not defined '
                        'in schema and the schema does not allow additional properties\n'
                    )
        if errors:
            raise PveError(400, 'Parameter verification failed.', errors)
        return out

    async def answer(self, request: web.Request, match: Any, params: Any, user: Any, call: Any = None) -> Any:
        """Schema, node and permission checks in pveproxy's order, then the method."""
        method, path = request.method, bare_path(request.path)
        info = self._info(match.template, method) if match is not None else None
        if info is None:
            raise PveError(501, f"Method '{method} {path}' not implemented")
        declared = (info.get('parameters') or {}).get('properties', {})
        values = dict(await self.read_params(request))
        if 'node' in match.params and match.params['node'] not in self.nodes:
            raise PveError(
                500,
                "hostname lookup '{0}' failed - failed to get address info for: {0}: Temporary failure "
                "in name resolution".format(match.params['node']),
            )
        GenericApi._check_acl_path(user, info.get('permissions'), dict(values, **match.params))
        values.update((k, v) for k, v in match.params.items() if k in declared)
        values = self._checked(info.get('parameters'), values)
        values.update((k, v) for k, v in match.params.items() if k not in declared)
        self.check_permissions(user, info.get('permissions'), values, declared)
        if call is not None:
            return await call(match, values)
        if method != 'GET':
            # fakepve would answer 200 and forget it; a lab that pretends to have done it helps nobody.
            raise PveError(501, f'lab: {method} {match.template} is not simulated')
        return await self.synthesise(match, method, info, user, values)

    async def _generic(self, request: web.Request) -> web.Response:
        return ok(await self.answer(request, request[GENERIC], None, request[USER]))

    # ------------------------------------------------------------- middleware
    async def _refusal(self, request: web.Request) -> web.Response | None:
        """What pveproxy refuses before it looks at path or credentials."""
        if request.method not in ('GET', 'HEAD', 'POST', 'PUT', 'DELETE'):
            return web.Response(status=501, reason=f"method '{request.method}' not available")
        body = await request.read()
        if body and request.method == 'DELETE':
            text = "Unexpected content for method 'DELETE'"
            return web.Response(status=501, reason=text, text=text)
        if body and request.content_type == 'application/json':
            try:
                json.loads(body)
            except ValueError as e:
                offset = getattr(e, 'pos', 0)
                rest = body.decode(errors='replace')[offset:] or '(end of string)'
                text = _JSON_LINE.format(offset, rest)
                return web.Response(status=500, reason=text, text=text)
        return None

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        response = await self._refusal(request)
        if response is None:
            await self.sync()
            response = await FakePve._middleware(self, request, handler)
            if response.status == 401 and bare_path(request.path) != '/access/ticket':
                response = web.Response(status=401, reason=response.reason)
            if response.status == 501 and response.content_type == 'application/json':
                response = web.json_response(
                    {'data': None, 'message': response.reason}, status=501, reason=response.reason
                )
        if response.status == 401:
            await self.pause(self.denial_delay)
        if response.content_type == 'application/json':
            response.headers['Content-Type'] = 'application/json;charset=UTF-8'
        await self.record(request, response)
        return response
