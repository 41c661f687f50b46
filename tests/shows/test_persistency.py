"""10,000 AoRs in each persistency mode on each database: what SIGTERM and `kill -9` leave of them."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pysips.cli import db
from tests.modules.usrloc.registrars import Registrar, tables

pytestmark = pytest.mark.show

AORS = [f"u{number}" for number in range(10_000)]
INTERVAL = 2
DATABASES = {
    "embedded": "",
    "mysql": 'loadmodule "db_mysql.so"',
    "postgres": 'loadmodule "db_postgres.so"',
    "sqlite": 'loadmodule "db_sqlite.so"',
}


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """What loads the database's module, and names the database."""
    name = request.param
    if name == "embedded":
        return "", ""
    if name == "sqlite":
        url = f"sqlite://{tmp_path}/contacts.db"
        db.command.main(["create", "--url", url, "location"], standalone_mode=False)
        return DATABASES[name], f'modparam("usrloc", "db_url", "{url}")\n'
    server: Any = request.getfixturevalue({"mysql": "mariadb"}.get(name, name))
    url = request.getfixturevalue(f"{name}_url")
    for statement in tables("TIMESTAMP" if name == "postgres" else "DATETIME"):
        server.query(statement, url.rpartition("/")[2])
    return DATABASES[name], f'modparam("usrloc", "db_url", "{url}")\n'


@pytest.fixture
def server(tmp_path: Path, database: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Registrar]:
    modules, url = database
    params = f'modparam("usrloc", "working_mode_preset", "single-instance-sql-{request.param}")\n{url}'
    made = Registrar(tmp_path, f'{params}modparam("usrloc", "timer_interval", {INTERVAL})\n', modules)
    yield made.start()
    made.close()
    assert "Traceback" not in made.log(), made.log()[-6000:]


def told(what: str, began: float) -> None:
    print(f"{what}: {time.monotonic() - began:.2f} s")


@pytest.mark.parametrize("server", ["write-through", "write-back"], indirect=True)
def test_sigterm_loses_nothing(server: Registrar) -> None:
    began = time.monotonic()
    registered = server.register_all(AORS, many=50)
    assert len(registered) == len(AORS)
    told("10,000 registrations", began)
    began = time.monotonic()
    assert server.stop() == 0
    told("the stop", began)
    began = time.monotonic()
    server.start()
    told("the start", began)
    assert server.aors() == registered


@pytest.mark.parametrize("server", ["write-through"], indirect=True)
def test_kill_9_loses_nothing_that_was_answered(server: Registrar) -> None:
    threading.Timer(2.0, server.kill).start()
    registered = server.register_all([*AORS, *[f"v{number}" for number in range(50_000)]], many=50, patience=2.0)
    server.kill()
    server.start()
    assert registered <= server.aors()
    print(f"{len(registered)} were answered, {len(server.aors())} are there")


@pytest.mark.parametrize("server", ["write-back"], indirect=True)
def test_kill_9_loses_an_interval_at_most(server: Registrar) -> None:
    registered = server.register_all(AORS, many=50)
    time.sleep(INTERVAL + 8.0 * len(AORS) / 10_000)  # an interval, and the time that writing takes
    late = server.register_all([f"late{number}" for number in range(200)])
    server.kill()
    server.start()
    there = server.aors()
    assert registered <= there
    print(f"{len(late - there)} of {len(late)} that came at the end are lost")
