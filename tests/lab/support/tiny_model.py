# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A language model of 150 KB in the files that vLLM reads: a Llama of two layers with random weights, made at once.

Every byte is a token. The files are written by hand, so that nothing needs to be installed to make them.
"""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

LAYERS, HIDDEN, INNER, HEADS, CONTEXT = 2, 64, 128, 2, 512
SPECIAL = ('<s>', '</s>')
VOCABULARY = 256 + len(SPECIAL)
CHAT = '{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:'


def write(folder: Path) -> Path:
    """Write the model's files into the folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {'config.json': _config(), 'tokenizer.json': _tokenizer(), 'tokenizer_config.json': _tokenizer_config()}
    for name, content in texts.items():
        (folder / name).write_text(json.dumps(content), encoding='utf-8')
    (folder / 'model.safetensors').write_bytes(_safetensors(_shapes()))
    return folder


def _config() -> dict[str, Any]:
    return {
        'architectures': ['LlamaForCausalLM'],
        'model_type': 'llama',
        'hidden_size': HIDDEN,
        'intermediate_size': INNER,
        'num_hidden_layers': LAYERS,
        'num_attention_heads': HEADS,
        'num_key_value_heads': HEADS,
        'max_position_embeddings': CONTEXT,
        'vocab_size': VOCABULARY,
        'bos_token_id': 256,
        'eos_token_id': 257,
        'hidden_act': 'silu',
        'rms_norm_eps': 1e-6,
        'rope_theta': 10000.0,
        'tie_word_embeddings': False,
        'torch_dtype': 'bfloat16',
    }


def _bytes() -> list[str]:
    """The characters by which byte-level tokenizers write bytes: printable ones as they are, others from U+0100 on."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def _tokenizer() -> dict[str, Any]:
    added = [
        {
            'id': 256 + place,
            'content': text,
            'special': True,
            'single_word': False,
            'lstrip': False,
            'rstrip': False,
            'normalized': False,
        }
        for place, text in enumerate(SPECIAL)
    ]
    words = [*_bytes(), *SPECIAL]
    level = {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}
    return {
        'version': '1.0',
        'added_tokens': added,
        'normalizer': None,
        'pre_tokenizer': level,
        'post_processor': None,
        'decoder': level,
        'model': {'type': 'BPE', 'vocab': {word: place for place, word in enumerate(words)}, 'merges': []},
    }


def _tokenizer_config() -> dict[str, Any]:
    return {
        'tokenizer_class': 'PreTrainedTokenizerFast',
        'bos_token': SPECIAL[0],
        'eos_token': SPECIAL[1],
        'model_max_length': CONTEXT,
        'chat_template': CHAT,
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        'model.embed_tokens.weight': (VOCABULARY, HIDDEN),
        'model.norm.weight': (HIDDEN,),
        'lm_head.weight': (VOCABULARY, HIDDEN),
    }
    for layer in range(LAYERS):
        name = f'model.layers.{layer}'
        for part in ('q', 'k', 'v', 'o'):
            shapes[f'{name}.self_attn.{part}_proj.weight'] = (HIDDEN, HIDDEN)
        shapes[f'{name}.mlp.gate_proj.weight'] = (INNER, HIDDEN)
        shapes[f'{name}.mlp.up_proj.weight'] = (INNER, HIDDEN)
        shapes[f'{name}.mlp.down_proj.weight'] = (HIDDEN, INNER)
        shapes[f'{name}.input_layernorm.weight'] = (HIDDEN,)
        shapes[f'{name}.post_attention_layernorm.weight'] = (HIDDEN,)
    return shapes


def _safetensors(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """The format of safetensors: length of the header, header as JSON, data. bfloat16 is the upper half of a float."""
    chance = random.Random(950)
    header: dict[str, Any] = {}
    data = bytearray()
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        begin = len(data)
        for _place in range(count):
            value = 1.0 if len(shape) == 1 else chance.gauss(0, 0.1)
            data += struct.pack('>f', value)[:2][::-1]
        header[name] = {'dtype': 'BF16', 'shape': list(shape), 'data_offsets': [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + bytes(data)
