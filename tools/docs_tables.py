# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the tables of the documentation from their sources: schemas, run variables, DOCUMENTATION, argument specs."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fact_uses
import yaml

NOT_ACTED_ON = 'accepted, not acted on'
ENVIRONMENT = 'environment of the application script'
COLLECTION = 'phoenix.hypervisor'
RECIPE = re.compile(r'^### (.+?)\n(.*?)(?=^##)', re.MULTILINE | re.DOTALL)
STEP = re.compile(r'^\d+\. (.*?)(?=^\d+\. |^\n|\Z)', re.MULTILINE | re.DOTALL)
FILE = re.compile(r'`([\w./-]+\.\w+)`')
KINDS = ('inventory', 'connection', 'callback', 'lookup', 'filter')
_DISRUPTS = 'x-phoenix-disrupts'


def keys(node: Mapping[str, Any], path: str = '') -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each key of a schema with its piece, keys inside objects and lists included."""
    for key, piece in node.get('properties', {}).items():
        if not isinstance(piece, dict):
            continue
        name = f'{path}.{key}' if path else key
        yield name, piece
        yield from _below(piece, name)


def _below(piece: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    others = piece.get('additionalProperties')
    if '$ref' not in piece and not (isinstance(others, dict) and '$ref' in others):
        yield from keys(piece, name)
        if isinstance(others, dict):
            yield from _below(others, f'{name}.*')
    if isinstance(piece.get('items'), dict):
        yield from _below(piece['items'], f'{name}[]')
    for branch in piece.get('anyOf', ()):
        if branch.get('type') != 'object' or not any(other.get('items') == branch for other in piece['anyOf']):
            yield from _below({'items': branch['items']} if 'items' in branch else branch, name)


def type_of(piece: Mapping[str, Any]) -> str:
    """Return the type of a key in the words of the documentation."""
    if 'enum' in piece:
        return ', '.join(f'`{item}`' for item in piece['enum'])
    kinds = piece.get('type') or [kind for branch in piece.get('anyOf', ()) for kind in [branch['type']]]
    if not kinds and piece.get('x-phoenix-effect') == NOT_ACTED_ON:
        return 'any'
    kinds = [kinds] if isinstance(kinds, str) else kinds or ['object']
    text = ' or '.join({'string': 'text', 'array': 'list'}.get(kind, kind) for kind in dict.fromkeys(kinds))
    return f'{text} ({piece["x-phoenix-unit"]})' if 'x-phoenix-unit' in piece else text


def schema_of(root: Path, kind: str) -> dict[str, Any]:
    """Return the schema of one of the two files."""
    schema: dict[str, Any] = json.loads(
        next((root / 'plugins').rglob(f'{kind}.schema.json')).read_text(encoding='utf-8')
    )
    return schema


def rows(titles: Iterable[str], cells: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    titles = list(titles)
    lines = [titles, ['---'] * len(titles), *([cell.replace('|', '\\|') for cell in row] for row in cells)]
    return ''.join('| ' + ' | '.join(line) + ' |\n' for line in lines)


def schema_tables(schema: Mapping[str, Any], level: int) -> str:
    """Return the table of the keys without keys below, and one for each of the others under a heading of that level."""
    groups: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name, piece in keys(schema):
        groups.setdefault(re.split(r'[.\[]', name)[0], []).append((name, piece))
    simple = [found[0] for found in groups.values() if len(found) == 1]
    parts = [f'{"#" * level} `{name}`\n\n{key_table(found)}' for name, found in groups.items() if len(found) > 1]
    return '\n'.join([key_table(simple), *parts])


def unused_table(root: Path) -> str:
    """Return the table of the keys of both files that nothing acts on, those of a whole object as one."""
    lxc, host = (schema_of(root, kind) for kind in ('phoenix_lxc_configs', 'hypervisor_config'))
    places = (('containers, top', lxc), ('a container', lxc['$defs']['container']), ('host', host))

    def found() -> Iterator[tuple[str, str, str]]:
        for place, schema in places:
            told: list[str] = []
            for name, piece in keys(schema):
                inside = name.startswith(tuple(f'{other}.' for other in told))
                if piece.get('x-phoenix-effect') == NOT_ACTED_ON and not inside:
                    told.append(name)
                    yield place, f'`{name}`', piece['description']

    return rows(['File', 'Key', 'Meaning'], found())


def key_table(found: list[tuple[str, Mapping[str, Any]]]) -> str:
    """Return the table of some keys."""
    disrupts = any(_DISRUPTS in piece for _name, piece in found)

    def row(name: str, piece: Mapping[str, Any]) -> list[str]:
        default = f'`{json.dumps(piece["default"])}`' if 'default' in piece else ''
        cells = [f'`{name}`', type_of(piece), default, piece['description'], piece.get('x-phoenix-effect', '')]
        return [*cells, piece.get(_DISRUPTS, '')] if disrupts else cells

    titles = ['Key', 'Type', 'Default', 'Meaning', 'Effect', *(['Disrupts'] if disrupts else [])]
    return rows(titles, (row(name, piece) for name, piece in found))


def run_variables(root: Path) -> str:
    """Return the table of the variables of a run; the collection must be importable."""
    path = next((root / 'plugins').rglob('runvariables.py')).relative_to(root).with_suffix('')
    module = importlib.import_module(f'ansible_collections.{COLLECTION}.{".".join(path.parts)}')
    return str(module.table())


def _shared_facts(root: Path) -> Any:
    name = fact_uses.TABLE.removesuffix('.py').replace('/', '.')
    return importlib.import_module(f'ansible_collections.{COLLECTION}.{name}')


def inventory_variables(root: Path) -> str:
    """Return the table of the variables that the inventory plugin sets; the collection must be importable."""
    module = _shared_facts(root)
    found = (fact for fact in module.TABLE if fact.kind is module.Kind.INVENTORY)
    cells = ([f'`{fact.name}`', fact.of, fact.type, fact.meaning] for fact in found)
    return rows(['Variable', 'Of', 'Type', 'Meaning'], cells)


def shared_facts(root: Path) -> str:
    """Return a table for each kind of shared variable, with who sets and who reads it."""
    module, uses = _shared_facts(root), fact_uses.uses(root)
    parts = []
    for kind in module.Kind:
        cells = []
        for fact in module.TABLE:
            if fact.kind is kind:
                readers = [path for path in sorted(uses.get(fact.name, ())) if path not in fact.set_by]
                others = fact_uses.short(readers) or ('people' if fact.for_people else 'the same')
                cells.append([f'`{fact.name}`', fact.type, fact.meaning, fact_uses.short(fact.set_by), others])
        title = f'### {kind.value[0].upper()}{kind.value[1:]}'
        parts.append(f'{title}\n\n{rows(["Name", "Type", "Meaning", "Set by", "Read by"], cells)}')
    return '\n'.join(parts)


def option_table() -> str:
    """Return the table of the registry of container options; the collection must be importable."""
    module = importlib.import_module(
        f'ansible_collections.{COLLECTION}.plugins.module_utils._core.container.registry.table'
    )

    def row(option: Any) -> list[str]:
        asked = ', '.join(f'`{key.name}`' for key in option.keys) or (f'`{option.asked_by}`' if option.asked_by else '')
        gone = 'stays' if option.kept else option.reset or 'removed'
        since = '.'.join(map(str, option.since))
        return [
            f'`{option.option}`',
            option.purpose,
            asked,
            option.applies,
            gone,
            f'`{option.privilege}`',
            option.root_words,
            since,
        ]

    titles = ['Option', 'Meaning', 'Keys', 'Applies', 'Without its key', 'Privilege', 'Only root@pam', 'Since PVE']
    return rows(titles, (row(option) for option in module.TABLE))


def pct_options(root: Path) -> str:
    """Return the table of all options of a container that Proxmox VE has, with the keys that ask for them."""
    path = next((root / 'tests').rglob('pct_options.yml'))
    data = yaml.safe_load(path.read_text(encoding='utf-8'))
    first, last = (
        {*each['options'], *(f'{name}.{sub}' for name, subs in each.items() if name != 'options' for sub in subs)}
        for each in data['recorded'].values()
    )
    pieces = dict(keys(schema_of(root, 'phoenix_lxc_configs')['$defs']['container']))

    def row(name: str, said: Mapping[str, str]) -> list[str]:
        versions = '8 and 9' if name in first and name in last else '9' if name in last else '8'
        test = data['tests'][said['test']].rpartition('/')[2] if 'test' in said else ''
        disrupts = pieces.get(said.get('key', ''), {}).get(_DISRUPTS, '')
        asked = f'`{said["key"]}`' if 'test' in said else said['reason']
        return [f'`{name}`', asked, disrupts, versions, test and f'`{test}`']

    titles = ['Option', 'Key, or why there is none', 'A change disrupts', 'Proxmox VE', 'Test']
    return rows(titles, (row(name, data['covered'][name]) for name in sorted(data['covered'])))


def refusal_table() -> str:
    """Return the table of the planner's refusals by code; the collection must be importable."""
    module = importlib.import_module(f'ansible_collections.{COLLECTION}.plugins.module_utils._core.container.refusal')
    cells = [[f'`{code.value}`', *module.MEANING[code]] for code in module.Code]
    return rows(['Code', 'Meaning', 'What to do'], cells)


def documentation(path: Path) -> dict[str, Any]:
    """Return the DOCUMENTATION of a plugin's file."""
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'DOCUMENTATION':
            return dict(yaml.safe_load(ast.literal_eval(node.value)))
    raise ValueError(f'{path} has no DOCUMENTATION')


def plugin_table(folders: Iterable[Path], *, kind: bool = False) -> str:
    """Return the index of the plugins in some folders."""
    cells = []
    for folder in folders:
        for path in sorted(folder.glob('*.py')):
            if path.stem != '__init__':
                texts = [f'`{path.stem}`', *([folder.name] if kind else []), documentation(path)['short_description']]
                cells.append(texts)
    return rows(['Name', *(['Kind'] if kind else []), 'Purpose'], cells)


def role_table(root: Path) -> str:
    """Return the index of the roles with what each is applied to."""
    cells = []
    for path in sorted((root / 'roles').glob('*/meta/argument_specs.yml')):
        role = path.parents[1]
        spec = yaml.safe_load(path.read_text(encoding='utf-8'))['argument_specs']['main']
        place = 'container' if (role / 'meta' / 'phoenix_feature.yml').is_file() else 'node'
        cells.append([f'[{role.name}](../roles/{role.name}/README.md)', place, spec['short_description']])
    return rows(['Role', 'Runs on', 'Purpose'], cells)


def package_table(root: Path) -> str:
    """Return the packages below plugins/ with the first sentence of their docstrings."""
    cells = []
    for path in sorted((root / 'plugins').glob('*_utils/**/__init__.py')):
        text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))
        if text:
            first = ' '.join(text.split('\n\n')[0].split())
            cells.append([f'`{path.parent.relative_to(root)}`', first.split('. ')[0].rstrip('.')])
    return rows(['Package', 'Content'], cells)


def figure_table(root: Path) -> str:
    """The figures that the bench has kept, each part's with the date and the load of its run."""
    kept = json.loads((root / 'docs' / 'performance' / 'bench.json').read_text(encoding='utf-8'))
    parts = list(kept['parts'].values())
    machines: dict[str, None] = {}
    for run in parts:
        machine = f'{run["processors"]} processors ({run["processor"]}), {run["memory_gib"]:g} GiB'
        machines.setdefault(f'on {run["where"]}: {machine}')
    lines = [
        f'Measured {"; ".join(machines)}. The load is that at the end of the part, which made most of it itself.',
        '',
        '| figure | value | limit | reached | measured | load |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    for run in parts:
        for row in run['figures']:
            unit = f' {row["unit"]}' if row['unit'] else ''
            limit = f'at {row["limit_is"]} {row["limit"]:g}{unit}'
            cells = [row['what'], f'{row["value"]:.2f}{unit}', limit, 'yes' if row['reached'] else 'no']
            lines.append(f'| {" | ".join(cells)} | {run["date"][:10]} | {run["load"][0]:g} |')
    seen: dict[tuple[str, str], Mapping[str, float]] = {}
    for row in [row for run in parts for row in run['figures']]:
        for name, cost in row['costs'].items():
            seen.setdefault((row['what'].rpartition(',')[0] or row['what'], name), cost)
    lines += ['', '| work | by | wall | CPU, controller | CPU, node |', '| --- | --- | --- | --- | --- |']
    lines += [
        f'| {what} | {name} | {cost["wall_seconds"]:.1f} s | {cost["controller_cpu_seconds"]:.1f} s '
        f'| {cost["node_cpu_seconds"]:.1f} s |'
        for (what, name), cost in seen.items()
    ]
    return '\n'.join(lines) + '\n'


def recipe_table(root: Path) -> str:
    """Return how many files each recipe of CONTRIBUTING.md touches: those before the colon of a step."""
    page = (root / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    cells = []
    for title, body in RECIPE.findall(page[page.index('## Recipes') :]):
        steps = STEP.findall(body)
        written = [step for step in steps if step.startswith('`make docs` writes ')]
        by_hand = {name for step in steps if step not in written for name in FILE.findall(step.partition(':')[0])}
        by_tool = {name for step in written for name in FILE.findall(step)}
        if by_hand:
            cells.append([title, str(len(by_hand)), str(len(by_tool) or '')])
    return rows(['change', 'files by hand', 'files that `make docs` writes'], cells)


def makers(root: Path) -> dict[str, Callable[[], str]]:
    """Return the maker of each generated block by the name that its marker has."""
    plugins = root / 'plugins'
    return {
        'keys-top': lambda: schema_tables(schema_of(root, 'phoenix_lxc_configs'), 4),
        'keys-container': lambda: schema_tables(schema_of(root, 'phoenix_lxc_configs')['$defs']['container'], 4),
        'keys-unused': lambda: unused_table(root),
        'options': option_table,
        'pct-options': lambda: pct_options(root),
        'refusals': refusal_table,
        'keys-host': lambda: schema_tables(schema_of(root, 'hypervisor_config'), 3),
        'inventory-variables': lambda: inventory_variables(root),
        'shared-facts': lambda: shared_facts(root),
        'run-variables': lambda: run_variables(root),
        'modules': lambda: plugin_table([plugins / 'modules']),
        'plugins': lambda: plugin_table([plugins / kind for kind in KINDS], kind=True),
        'roles': lambda: role_table(root),
        'figures': lambda: figure_table(root),
        'packages': lambda: package_table(root),
        'recipes': lambda: recipe_table(root),
    }
