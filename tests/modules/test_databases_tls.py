"""`?tls_ca=FILE` behind a database URL: an encrypted connection to a server that the authority knows, or none."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from pysips.core.sqldb import SqlError
from tests.servers.certificates import certificates
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres
from tests.servers.process import done, running

pytestmark = pytest.mark.scenario


class SecretMariaDb(MariaDb):
    cipher = "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'"

    def prepare(self) -> None:
        certificates(self.folder)
        super().prepare()

    def command(self) -> list[str]:
        return [*super().command(), f"--ssl-cert={self.folder}/server.pem", f"--ssl-key={self.folder}/server.key"]


class SecretPostgres(Postgres):
    cipher = "SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

    def prepare(self) -> None:
        certificates(self.folder)
        super().prepare()

    def command(self) -> list[str]:
        files = (f"ssl_cert_file={self.folder}/server.pem", f"ssl_key_file={self.folder}/server.key")
        return [*super().command(), "-c", "ssl=on", "-c", files[0], "-c", files[1]]


@pytest.fixture(scope="module", params=[SecretMariaDb, SecretPostgres])
def server(request: pytest.FixtureRequest) -> Iterator[SecretMariaDb | SecretPostgres]:
    made: type[SecretMariaDb] | type[SecretPostgres] = request.param
    with made.start() as server:
        server.query("CREATE DATABASE sip")
        yield server


async def test_the_connection_is_encrypted_and_the_server_known(
    server: SecretMariaDb | SecretPostgres, tmp_path: Path
) -> None:
    module = "db_mysql" if isinstance(server, MariaDb) else "db_postgres"
    certificates(tmp_path)  # of another authority
    async with running(
        f'loadmodule "proto_udp.so"\nloadmodule "{module}.so"\nsocket=udp:127.0.0.1:5060\nroute {{ exit; }}'
    ) as process:
        database = process.program.databases.open(server.url("sip", f"?tls_ca={server.folder}/ca.pem&timeout=5"))
        ((cipher,),) = await done(database.query(server.cipher))
        assert cipher
        stranger = process.program.databases.open(server.url("sip", f"?tls_ca={tmp_path}/ca.pem&timeout=5"))
        with pytest.raises(SqlError, match=r"(?i)certificate verify failed") as problem:
            await done(stranger.query(server.cipher))
        assert problem.value.is_down


async def test_without_an_authority_the_connection_is_encrypted_and_nobodys_authorities_are_read(
    server: SecretMariaDb | SecretPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are some hundred certificates of the system: 20 ms for each connection."""
    module = "db_mysql" if isinstance(server, MariaDb) else "db_postgres"

    def read(context: ssl.SSLContext) -> None:
        raise AssertionError("authorities are read")

    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", read)
    async with running(
        f'loadmodule "proto_udp.so"\nloadmodule "{module}.so"\nsocket=udp:127.0.0.1:5060\nroute {{ exit; }}'
    ) as process:
        database = process.program.databases.open(server.url("sip", "?timeout=5"))
        ((cipher,),) = await done(database.query(server.cipher))
        assert cipher
