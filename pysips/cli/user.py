"""pysips user: accounts in a table like `subscriber`, for auth_db (OpenSIPS: opensips-cli's user commands).

pysips user add alice@example.com --url mysql://opensips:opensipsrw@localhost/opensips
pysips user passwd alice@example.com --url sqlite:///var/lib/pysips/pysips.db --random
pysips user list --url postgres://opensips:opensipsrw@localhost/opensips example.com

Hashes of the password are kept (HA1, RFC 7616 section 3.4.2), for every algorithm that the table has a column for, and
not the password itself unless `--plain` asks for it.
"""

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from pysips.errors import PysipsError
from pysips.sip import digest

from .db import Work, url_option

LONGEST: Final = 64  # characters of a name in OpenSIPS' tables
LONGEST_PASSWORD: Final = 256
LONGEST_PLAIN: Final = 25  # of a password in their column for it
LETTERS: Final = "abcdefghijkmnopqrstuvwxyz23456789"  # of a random password: none that looks like another
LENGTH: Final = 16
HASHES: Final = {"ha1": "MD5", "ha1_sha256": "SHA-256", "ha1_sha512t256": "SHA-512-256"}
WITH_DOMAIN: Final = "ha1b"  # tables of 2.4: for names with a domain


class UserFailed(PysipsError):
    """An account that cannot be made, changed or removed."""

    exit_code = 1


table_option = click.option("--table", default="subscriber", show_default=True, help="As www_authorize has it.")
realm_option = click.option("--realm", help="As www_authorize has it; the domain where it is not given.")
random_option = click.option("--random", "is_random", is_flag=True, help="Make a password up, and print it.")
plain_option = click.option("--plain", is_flag=True, help="Keep the password, too, for calculate_ha1=1.")
account = click.argument("account", metavar="USER@DOMAIN")
password_argument = click.argument("password", required=False)


@click.group()
def command() -> None:
    """Accounts: who may register and call, in a database that `pysips db create` made.

    Without a password on the command line, where others can see it, it is asked for, or read from standard input.
    """


@command.command()
@url_option
@table_option
@realm_option
@random_option
@plain_option
@account
@password_argument
def add(
    url: str, table: str, realm: str | None, is_random: bool, plain: bool, account: str, password: str | None
) -> int:
    """Make an account."""
    user, domain = names(account)
    with accounts(url, table) as work:
        if work.rows(user, domain):
            raise UserFailed(f"{account} is there already: pysips user passwd changes the password")
        password = given(password, is_random)
        work.insert(user, domain, work.secrets(user, domain, realm or domain, password, plain))
    say(f"{account} is there now", password, is_random)
    return 0


@command.command()
@url_option
@table_option
@realm_option
@random_option
@plain_option
@account
@password_argument
def passwd(
    url: str, table: str, realm: str | None, is_random: bool, plain: bool, account: str, password: str | None
) -> int:
    """Give an account another password."""
    user, domain = names(account)
    with accounts(url, table) as work:
        if not work.rows(user, domain):
            raise UserFailed(f"there is no {account}: pysips user add makes it")
        password = given(password, is_random)
        work.update(user, domain, work.secrets(user, domain, realm or domain, password, plain))
    say(f"{account} has another password", password, is_random)
    return 0


@command.command()
@url_option
@table_option
@account
def remove(url: str, table: str, account: str) -> int:
    """Take an account away."""
    user, domain = names(account)
    with accounts(url, table) as work:
        if not work.delete(user, domain):
            raise UserFailed(f"there is no {account}")
    click.echo(f"{account} is gone")
    return 0


@command.command("list")
@url_option
@table_option
@click.argument("domain", required=False)
def listed(url: str, table: str, domain: str | None) -> int:
    """List all accounts, or those of a domain, each with the algorithms that it has hashes for."""
    with accounts(url, table) as work:
        for user, of, *kept in work.all(domain):
            found = [HASHES[column] for column, text in zip(work.hashes, kept, strict=True) if str(text or "").strip()]
            click.echo(f"{user}@{of}  {' '.join(found) or 'no hash'}")
    return 0


def names(account: str) -> tuple[str, str]:
    """User and domain. Raises UserFailed."""
    user, at, domain = account.rpartition("@")
    if not at or not user or not domain or max(len(user), len(domain)) > LONGEST:
        raise UserFailed(f'"{account}" is no USER@DOMAIN, each of at most {LONGEST} characters')
    if not account.isprintable() or any(letter in account for letter in ' ":\\<>'):
        raise UserFailed(f'"{account}": neither blanks nor any of ":\\<> may stand in a name')
    return user, domain


def given(password: str | None, is_random: bool) -> str:
    """The password: made up, from the command line, asked for twice, or a line of standard input. Raises UserFailed."""
    if is_random:
        if password is not None:
            raise UserFailed("--random makes the password up: none is given with it")
        return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    if password is None:
        if sys.stdin.isatty():
            password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
        else:
            password = sys.stdin.readline(LONGEST_PASSWORD + 2).rstrip("\r\n")
    if not password or len(password) > LONGEST_PASSWORD or not password.isprintable():
        raise UserFailed(f"a password has 1 to {LONGEST_PASSWORD} printable characters")
    return password


def say(done: str, password: str, is_random: bool) -> None:
    click.echo(f"{done}, with the password {password}" if is_random else done)


@contextmanager
def accounts(url: str, table: str) -> "Iterator[Accounts]":
    """A table under work. Raises PysipsError."""
    work = Work.on(url, "version", is_new=False)
    try:
        if not work.has(table):
            raise UserFailed(f'there is no table "{table}": pysips db create --url URL {table}')
        yield Accounts(work, table)
    finally:
        work.close()


class Accounts:
    """The rows of a table of accounts."""

    def __init__(self, work: Work, table: str) -> None:
        self.work = work
        self.table = table
        self.columns = {column["name"].lower() for column in work.inspector().get_columns(table)}
        self.hashes = [column for column in HASHES if column in self.columns]

    def secrets(self, user: str, domain: str, realm: str, password: str, plain: bool) -> dict[str, str]:
        """What is kept of a password, by column. Raises UserFailed."""
        if plain and len(password) > LONGEST_PLAIN:
            raise UserFailed(f"a password that is kept has at most {LONGEST_PLAIN} characters")
        kept = {
            column: digest.ha1(digest.BY_NAME[HASHES[column].lower()], user, realm, password) for column in self.hashes
        }
        if WITH_DOMAIN in self.columns:
            kept[WITH_DOMAIN] = digest.ha1(digest.MD5, f"{user}@{domain}", realm, password)
        if "password" in self.columns:
            kept["password"] = password if plain else ""
        return kept

    def where(self, user: str, domain: str) -> Any:
        return [("username", "=", user), ("domain", "=", domain)]

    def rows(self, user: str, domain: str) -> Sequence[Any]:
        from pysips.core.sqlwork import Select

        found: Sequence[Any] = self.work.ask(Select(self.table, ["username"], self.where(user, domain)))
        return found

    def all(self, domain: str | None) -> Sequence[Any]:
        from pysips.core.sqlwork import Select

        where = [("domain", "=", domain)] if domain else []
        columns = ["username", "domain", *self.hashes]
        found: Sequence[Any] = self.work.ask(Select(self.table, columns, where, "username"))
        return sorted(found, key=lambda row: (row[1], row[0]))

    def insert(self, user: str, domain: str, kept: dict[str, str]) -> None:
        from pysips.core.sqlwork import Insert

        self.work.ask(Insert(self.table, {"username": user, "domain": domain, **kept}))

    def update(self, user: str, domain: str, kept: dict[str, str]) -> None:
        from pysips.core.sqlwork import Update

        self.work.ask(Update(self.table, self.where(user, domain), kept))

    def delete(self, user: str, domain: str) -> int:
        from pysips.core.sqlwork import Delete

        gone: int = self.work.ask(Delete(self.table, self.where(user, domain)))
        return gone
