"""Certificates made at run time by an authority that lives as long as the test. Needs the extra `testing`."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

from .extras import MissingExtra

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ModuleNotFoundError as error:
    raise MissingExtra(f"a server with TLS needs certificates: pip install 'asynccrawl[testing]' ({error})") from error

WRONG_NAME = "somebody-else.invalid"
"""The only name in the certificate `wrong_name`."""

_DAY = timedelta(days=1)
_VALIDITY = {"expired": (-9 * _DAY, -2 * _DAY), "not_yet_valid": (2 * _DAY, 9 * _DAY)}
_USUALLY = -_DAY, 7 * _DAY  # begins yesterday, since clocks of test machines differ


class Authority:
    """A throw-away certificate authority: an ECDSA P-256 key that is made when first used and is never stored."""

    @cached_property
    def _key(self) -> EllipticCurvePrivateKey:
        return generate_private_key(SECP256R1())

    @cached_property
    def _certificate(self) -> x509.Certificate:
        name = _name("asynccrawl.testing throw-away authority")
        usage = _usage(key_cert_sign=True, crl_sign=True)
        return (
            _builder(name, self._key, _USUALLY)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for clients that shall trust it."""
        return self._certificate.public_bytes(Encoding.PEM)

    def issue(self, kind: str, names: Sequence[str]) -> bytes:
        """A certificate for host names and IP addresses, with its private key, as PEM.

        kind: `expired`, `not_yet_valid` or `self_signed`; any other makes a good one.
        """
        key = generate_private_key(SECP256R1())
        subject = _name("asynccrawl.testing")
        builder = (
            _builder(subject, key, _VALIDITY.get(kind, _USUALLY))
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        issuer, signer = (subject, key) if kind == "self_signed" else (self._certificate.subject, self._key)
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        certificate = builder.issuer_name(issuer).add_extension(by, critical=False).sign(signer, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private + certificate.public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name, key: EllipticCurvePrivateKey, validity: tuple[timedelta, timedelta]
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + validity[0])
        .not_valid_after(now + validity[1])
        # Python's default context is strict from 3.13 on, and wants the key identifiers of RFC 5280.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
