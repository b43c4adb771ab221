"""A broker by TLS, with logins and access lists, and a database by TLS: as a city would have them.

The packaged PostgreSQL is built without TLS: a door before it takes TLS off, as a server would.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from infra.access import ACCESS, Grant
from infra.stack.kafka import Kafka
from infra.stack.process import free_ports
from shared.settings import Settings

KINDS = {"topic": 2, "group": 3}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
LITERAL, ALLOW = 3, 3


class Authority:
    """A certificate authority with its files in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.file = folder / f"{name}.crt"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        extension = x509.BasicConstraints(ca=True, path_length=0)
        made = self._begun(self._name, self._key.public_key())
        signed = made.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(Encoding.PEM))

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def issue(self, name: str, *hosts: x509.GeneralName) -> tuple[Path, Path]:
        """Files of a certificate and its key, for whoever has the name and is at the hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._begun(subject, key.public_key())
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        certificate, private = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        signed = made.sign(self._key, hashes.SHA256())
        certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, private


class Guarded:
    """A broker whose listeners for clients want TLS and a login, or TLS and a certificate.

    Its certificate is of `localhost` alone. Its own listener, in clear, may do everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "authority")
        self.passwords = {user: f"secret-of-{user}" for user in ACCESS}
        for user, password in self.passwords.items():
            (folder / f"{user}.password").write_text(f"{password}\n", "utf-8")
        certificate, key = self.authority.issue("broker", x509.DNSName("localhost"))
        keystore = folder / "broker.pem"
        keystore.write_bytes(key.read_bytes() + certificate.read_bytes())
        self.login_port, self.certificate_port = free_ports(2)
        places = f"LOGIN://localhost:{self.login_port},CERT://localhost:{self.certificate_port}"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required "
        plain += " ".join(f'user_{user}="{password}"' for user, password in self.passwords.items())
        plain += ";"
        properties = {
            "listeners": f"{{plain}},{{controller}},{places}",
            "advertised.listeners": f"{{plain}},{places}",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,CERT:SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.file),
            "listener.name.cert.ssl.client.auth": "required",
            "listener.name.cert.ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "listener.name.login.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.login.plain.sasl.jaas.config": plain,
            "listener.name.login.scram-sha-512.sasl.jaas.config": scram,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        self.kafka = Kafka(
            folder / "kafka",
            folder / "run",
            folder / "kafka.log",
            properties=properties,
            users=self.passwords,
        )

    def settings(self, base: Settings, user: str) -> Settings:
        """The settings of a user, checked as any."""
        return Settings.model_validate(
            base.model_dump()
            | {
                "kafka": f"localhost:{self.login_port}",
                "kafka_security_protocol": "sasl_ssl",
                "kafka_ca_file": self.authority.file,
                "kafka_user": user,
                "kafka_password_file": self.folder / f"{user}.password",
            }
        )

    async def grant(self, namespace: str) -> None:
        """The access lists, as they are declared."""
        async with self._administrator() as client:
            for user, grants in ACCESS.items():
                for grant in grants:
                    for each in self._entries(namespace, user, grant):
                        answer = await client.send(
                            client.get_random_node(), CreateAclsRequest(*each)
                        )
                        assert answer.creation_responses[0][0] == 0, answer

    async def revoke(self, namespace: str, user: str, grant: Grant) -> None:
        """Take a grant away again."""
        async with self._administrator() as client:
            for each in self._entries(namespace, user, grant):
                answer = await client.send(client.get_random_node(), DeleteAclsRequest(*each))
                assert len(answer.filter_responses[0][2]) == 1, answer

    @asynccontextmanager
    async def _administrator(self) -> AsyncIterator[AIOKafkaClient]:
        client = AIOKafkaClient(bootstrap_servers=self.kafka.bootstrap)
        await client.bootstrap()
        try:
            yield client
        finally:
            await client.close()

    def _entries(
        self, namespace: str, user: str, grant: Grant
    ) -> Iterator[tuple[int, str, int, str, str, int, int]]:
        kind, name = KINDS[grant.kind], f"{namespace}{grant.name}"
        for operation in grant.operations:
            number = OPERATIONS[operation]
            yield kind, name, LITERAL, f"User:{user}", "*", number, ALLOW


@contextmanager
def guarded(folder: Path) -> Iterator[Guarded]:
    """The broker, running."""
    made = Guarded(folder)
    made.kafka.start()
    try:
        yield made
    finally:
        made.kafka.kill()


@asynccontextmanager
async def tls_door(authority: Authority, database: str) -> AsyncIterator[str]:
    """The URL of the database behind a door that demands TLS."""
    certificate, key = authority.issue(
        "database", x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    behind = urlsplit(database)

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
            request = await reader.readexactly(8)
            if request != bytes.fromhex("0000000804d2162f"):  # SSLRequest: others speak in clear.
                writer.close()
                return
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            inner, outer = await asyncio.open_connection(behind.hostname, behind.port)
            await asyncio.gather(_carry(reader, outer), _carry(inner, writer))

    server = await asyncio.start_server(enter, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    netloc = f"{behind.username}:{behind.password}@127.0.0.1:{port}"
    try:
        yield behind._replace(netloc=netloc).geturl()
    finally:
        server.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()
