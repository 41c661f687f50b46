"""The store that a federation's sites share, at the tutorial's address: which rows are in it, and what names it."""

from collections.abc import Callable
from typing import Any, Final

from tests.servers.cassandra import Cassandra
from tests.servers.mariadb import PASSWORD, USER, MariaDb
from tests.servers.mongodb import MongoDb
from tests.servers.program import Program
from tests.servers.redis import Redis

HOST: Final = "10.0.0.5"
Rows = set[tuple[str, str]]


class Store:
    """lines: what a script has of it; `rows()`: AoR and site of each record. Made and asked inside its machine."""

    lines = ""
    server: Program

    def rows(self) -> Rows:
        raise NotImplementedError

    def prepare(self) -> None:
        """Make what the README says is to be made beforehand; again after its data are lost."""

    def clear(self) -> None:
        """Its data are lost."""
        raise NotImplementedError

    def close(self) -> None:
        self.server.close()


class PlainCassandra(Cassandra):
    """As Debian users get it: nobody is asked for a password."""

    host, usual_port = HOST, 9042

    def prepare(self) -> None:
        super().prepare()
        path = self.folder / "cassandra.yaml"
        text = path.read_text("utf-8").replace("PasswordAuthenticator", "AllowAllAuthenticator")
        path.write_text(text.replace("CassandraAuthorizer", "AllowAllAuthorizer"), "utf-8")

    def answers(self) -> bool:
        return Program.answers(self)


class InCassandra(Store):
    lines = """loadmodule "cachedb_cassandra.so"
modparam("usrloc", "cachedb_url", "cassandra://10.0.0.5:9042/opensips.userlocation")
"""

    def __init__(self, cql: str) -> None:
        self.cql = cql
        self.server: PlainCassandra = PlainCassandra.start()

    def prepare(self) -> None:
        lines = [line for line in self.cql.splitlines() if not line.startswith("--")]
        for statement in "\n".join(lines).split(";"):
            if statement.strip():
                self.server.query(statement)

    def rows(self) -> Rows:
        found = self.server.query("SELECT id, aor, home_ip FROM opensips.userlocation")
        assert all(row[0] == row[1] + row[2] for row in found), found
        return {(row[1], row[2]) for row in found}

    def clear(self) -> None:
        self.server.query("TRUNCATE opensips.userlocation")


class PlainMongoDb(MongoDb):
    host, usual_port = HOST, 27017


class InMongoDb(Store):
    lines = """loadmodule "cachedb_mongodb.so"
modparam("usrloc", "cachedb_url", "mongodb://10.0.0.5:27017/opensipsDB.userlocation")
"""

    def __init__(self, cql: str) -> None:
        self.server: PlainMongoDb = PlainMongoDb.start()

    @property
    def collection(self) -> Any:
        return self.server.client["opensipsDB"]["userlocation"]

    def rows(self) -> Rows:
        found = list(self.collection.find())
        assert all(set(one) == {"_id", "aor", "home_ip"} for one in found), found
        assert all(one["_id"] == one["aor"] + one["home_ip"] for one in found), found
        return {(one["aor"], one["home_ip"]) for one in found}

    def clear(self) -> None:
        self.collection.delete_many({})


class PlainRedis(Redis):
    host, usual_port = HOST, 6379

    @property
    def options(self) -> list[str]:
        return ["--protected-mode", "no"]


class InRedis(Store):
    """Without RedisJSON: what the keys look like is cachedb_redis' own business, but each row has its AoR and site."""

    lines = """loadmodule "cachedb_redis.so"
modparam("usrloc", "cachedb_url", "redis:fed://10.0.0.5:6379/")
"""

    def __init__(self, cql: str) -> None:
        self.server: PlainRedis = PlainRedis.start()

    def rows(self) -> Rows:
        keys = self.server.do("KEYS", "usrloc:*")
        found = [self.server.do("HGETALL", key) for key in keys if self.server.do("TYPE", key) == "hash"]
        return {(row["aor"], row["home_ip"]) for row in found if row}  # one that has just gone is empty

    def clear(self) -> None:
        self.server.do("FLUSHALL")


class SharedMariaDb(MariaDb):
    host, usual_port = HOST, 3306

    def prepare(self) -> None:
        super().prepare()
        with (self.folder / "users.sql").open("a", encoding="utf-8") as users:
            users.write(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO {USER}@'%';\n")
            users.write("CREATE DATABASE platform;\n")


class InSql(Store):
    lines = """loadmodule "cachedb_sql.so"
modparam("usrloc", "cachedb_url", "sql:fed-mysql://opensips:opensipsrw@10.0.0.5/platform")
"""

    def __init__(self, cql: str) -> None:
        self.server: SharedMariaDb = SharedMariaDb.start()

    def prepare(self) -> None:
        from pysips.cli import db

        db.command.main(["create", "--url", self.server.url("platform"), "userlocation"], standalone_mode=False)

    def rows(self) -> Rows:
        return {(row[0], row[1]) for row in self.server.query("SELECT aor, home_ip FROM userlocation", "platform")}

    def clear(self) -> None:
        self.server.query("DELETE FROM userlocation", "platform")


STORES: Final[dict[str, Callable[[str], Store]]] = {
    "cassandra": InCassandra,
    "mongodb": InMongoDb,
    "redis": InRedis,
    "sql": InSql,
}
