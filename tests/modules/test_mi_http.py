"""Management over HTTP: a real server in this process, aiohttp's client and plain sockets."""

import asyncio
import base64
import contextlib
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pysips.core.services import Management, Promise
from pysips.errors import ConfigError, ModuleError
from pysips.modules import httpd
from pysips.modules.httpd import Httpd
from pysips.testing.story import Story

ASKED = '{"jsonrpc":"2.0","id":7,"method":"ps"}'


class Shop(Management):
    """Repeats what was asked; "boom" is answered never."""

    def answer(self, text: str, paged: bool = False) -> Promise:
        promise = Promise()
        asked = json.loads(text)
        if isinstance(asked, dict) and asked.get("method") == "never":
            return promise
        silent = isinstance(asked, dict) and "id" not in asked
        promise.complete("" if silent else json.dumps({"asked": asked}))
        return promise


def basic(user: str, password: str) -> dict[str, str]:
    """The header of who may ask."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class World:
    def __init__(self, params: str = "") -> None:
        self.port = free_port()
        script = f'modparam("httpd", "port", {self.port})\n{params}\nroute {{ exit; }}'
        self.story = Story(script, "httpd mi_http")
        module = self.story.program.registry.loaded["httpd"]
        assert isinstance(module, Httpd)
        self.httpd = module
        module.services.slot = -1
        module.services.management = Shop()
        self.url = f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "World":
        await self.httpd.start()
        self.client = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self.httpd.stop()

    async def ask(self, body: str | bytes = ASKED, path: str = "/mi", **more: Any) -> tuple[int, str, str]:
        """Status, Content-Type and body of an answer to POST."""
        async with self.client.post(self.url + path, data=body, **more) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), await answer.text()


class Impatient(World):
    """One that waits for a fifth of a second."""

    def __init__(self) -> None:
        super().__init__()
        self.httpd.conn_timeout = 0.2  # type: ignore[assignment]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def test_a_request_and_its_answer(world: World) -> None:
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "x/y"):
        status, told, body = await world.ask(headers={"Content-Type": kind})
        assert (status, told) == (200, "application/json")
        assert json.loads(body)["asked"]["method"] == "ps"


async def test_a_notification_gets_nothing(world: World) -> None:
    status, _, body = await world.ask('{"jsonrpc":"2.0","method":"ps"}')
    assert (status, body) == (202, "")


async def test_what_is_no_json_is_an_error_of_json_rpc(world: World) -> None:
    for bad in ("", "{", b"\xff", "[" * 50_000):
        status, _, body = await world.ask(bad)
        assert status == 200
        assert json.loads(body) == {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None}


async def test_several_requests_in_a_list(world: World) -> None:
    status, _, body = await world.ask(f'[{ASKED},{{"jsonrpc":"2.0","method":"ps"}},{ASKED.replace("7", "8")}]')
    assert status == 200
    assert [one["asked"]["id"] for one in json.loads(body)] == [7, 8]
    status, _, body = await world.ask('[{"jsonrpc":"2.0","method":"ps"}]')
    assert (status, body) == (202, "")
    for bad in ("[]", "[" + ",".join([ASKED] * 101) + "]"):
        _, _, body = await world.ask(bad)
        assert json.loads(body)["error"]["code"] == -32600


async def test_methods_and_paths(world: World) -> None:
    async with world.client.get(world.url + "/mi") as answer:
        assert answer.status == 405
    for path in ("/", "/mine", "/mi/x", "/%2e%2e"):
        assert (await world.ask(path=path))[0] == 400
    assert (await world.ask(path="/mi/"))[0] == 200


async def test_a_root_of_ones_own_by_either_name() -> None:
    for name in ("root", "mi_http_root"):
        async with World(f'modparam("mi_http", "{name}", "json")') as world:
            assert (await world.ask(path="/json"))[0] == 200
            assert (await world.ask(path="/mi"))[0] == 400
            assert world.httpd.list_root_path() == [{"http_root": "json", "module": "mi_http"}]


async def test_a_body_that_is_too_large() -> None:
    async with World('modparam("httpd", "receive_buf_size", 1000)') as world:
        assert (await world.ask(" " * 500 + ASKED))[0] == 200
        assert (await world.ask(" " * 2000 + ASKED))[0] == 413

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b" " * 100

        assert (await world.ask(chunks()))[0] == 413  # type: ignore[arg-type]


async def test_an_answer_that_is_too_large() -> None:
    async with World('modparam("httpd", "buf_size", 100)') as world:
        assert (await world.ask())[0] == 200
        assert (await world.ask(ASKED.replace("ps", "p" * 100)))[0] == 500


async def test_pretty_printing() -> None:
    async with World('modparam("mi_http", "pretty_printing", 1)') as world:
        assert (await world.ask())[2].startswith('{\n    "asked": {\n')


async def test_who_may_ask() -> None:
    params = 'modparam("httpd", "auth_username", "op")\nmodparam("httpd", "auth_password", "s:cret")'
    async with World(params) as world:
        async with world.client.post(world.url + "/mi", data=ASKED) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="OpenSIPS MI", charset="UTF-8"'
        assert (await world.ask(headers=basic("op", "s:cret")))[0] == 200
        for user, password in (("op", "wrong"), ("", ""), ("OP", "s:cret")):
            assert (await world.ask(headers=basic(user, password)))[0] == 401
        for header in ("Basic", "Basic ???", "Bearer b3A6czpjcmV0", ""):
            assert (await world.ask(headers={"Authorization": header}))[0] == 401
        assert not any("s:cret" in line for line in world.story.lines)


async def heard(port: int, said: bytes, seconds: float) -> bytes:
    """What a plain client hears until the server closes; TimeoutError if it does not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(-1)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("said", [b"", b"POST /mi HTT", b"POST /mi HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"])
async def test_who_says_nothing_is_not_waited_for(said: bytes) -> None:
    async with Impatient() as world:
        assert await heard(world.port, said, 4) == b""


async def test_a_command_that_never_ends_ends_here() -> None:
    async with Impatient() as world:
        with pytest.raises(aiohttp.ClientError):
            await world.ask(ASKED.replace("ps", "never"))
        assert (await world.ask())[0] == 200


async def test_connections_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpd, "MOST_CONNECTIONS", 5)
    held = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert await heard(world.port, b"", 3) == b""
    for _, writer in held:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    await asyncio.sleep(0.05)
    assert (await world.ask())[0] == 200


async def test_rubbish_is_survived(world: World) -> None:
    for said in (
        b"\0\1\2\r\n\r\n",
        b"POST\r\n\r\n",
        b"GET /" + b"x" * 100_000,
        b"POST /mi HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ):
        with contextlib.suppress(TimeoutError):
            assert b"200" not in (await heard(world.port, said, 0.5))[:20]
    assert (await world.ask())[0] == 200


async def test_an_address_that_is_taken() -> None:
    async with World() as world:
        other = World()
        other.httpd.port = world.port
        with pytest.raises(ModuleError, match="cannot listen on 127"):
            await other.httpd.start()


async def test_https(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    try:
        subprocess.run(
            [*made, "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("apt-get install openssl")
    params = f'modparam("httpd", "tls_cert_file", "{certificate}")\nmodparam("httpd", "tls_key_file", "{key}")'
    async with World(params) as world:
        world.url = world.url.replace("http:", "https:")
        trusted = ssl.create_default_context(cafile=str(certificate))
        trusted.check_hostname = False
        assert (await world.ask(ssl=trusted))[0] == 200


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ('modparam("httpd", "tls_cert_file", "/x")', "tls_key_file"),
        ('modparam("httpd", "tls_cert_file", "/x")\nmodparam("httpd", "tls_key_file", "/y")', "cannot use /x"),
        ('modparam("httpd", "auth_username", "x")', "auth_password"),
        ('modparam("httpd", "auth_realm", "a\\"b")', "auth_realm"),
        ('modparam("httpd", "port", 80)', "port"),
    ],
)
def test_what_cannot_be_is_said_at_load(params: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        World(params)
    assert any(complaint in str(one) for one in refused.value.complaints)


def test_mi_http_needs_httpd() -> None:
    with pytest.raises(ConfigError) as refused:
        Story("route { exit; }", "mi_http")
    assert 'loadmodule "httpd.so"' in str(refused.value.complaints[0])


def test_two_modules_do_not_share_a_root() -> None:
    world = World()
    with pytest.raises(ModuleError, match="mi_http's already"):
        world.httpd.register("/mi", "other", world.httpd.roots["mi"][1])


async def test_a_fault_of_a_module_is_a_500(world: World) -> None:
    async def broken(method: str, path: str, body: bytes) -> httpd.Answer:
        raise LookupError("gone")

    world.httpd.register("broken", "x", broken)
    assert (await world.ask(path="/broken"))[0] == 500
