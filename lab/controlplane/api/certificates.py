# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's certificate, made once as a Proxmox VE installation makes it: a CA of its own and a leaf signed by it."""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS = 10


def ensure(pve: Path, node: str, node_ip: str) -> tuple[Path, Path]:
    """The leaf's certificate and key below /etc/pve (pve-ssl.pem, pve-ssl.key); made when missing."""
    folder = pve / 'nodes' / node
    certificate, key_file = folder / 'pve-ssl.pem', folder / 'pve-ssl.key'
    if certificate.exists() and key_file.exists():
        return certificate, key_file
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, 'Proxmox Virtual Environment (lab)'),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'PVE Cluster Manager CA'),
        ]
    )
    ca = (
        _builder(ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node + '.lab.internal')])
    addresses = [ipaddress.ip_address(a) for a in dict.fromkeys(('127.0.0.1', '::1', node_ip))]
    dns = ('localhost', node, node + '.lab.internal')
    names = [x509.IPAddress(a) for a in addresses] + [x509.DNSName(n) for n in dns]
    leaf = (
        _builder(name, ca_name, key, ca_key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(pve / 'priv' / 'pve-root-ca.key', _pem(ca_key), 0o600)
    _write(pve / 'pve-root-ca.pem', ca.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(key_file, _pem(key), 0o600)
    _write(certificate, leaf.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate, key_file


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, issuer_key: Any = None) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(sign: bool) -> x509.KeyUsage:
    """The leaf signs (TLS), the CA certifies."""
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=not sign,
        crl_sign=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.new')
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'wb') as out:
        out.write(content)
    temporary.replace(path)
