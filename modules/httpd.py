"""httpd: the HTTP server that other modules answer through (OpenSIPS: httpd), in the attendant, over aiohttp.

Facts:
- a module registers a root, "mi", and gets every request to /mi and below; another path is 400;
- a connection that brings no whole request within `conn_timeout`, or takes its answer no faster, is closed, and so is
  one more than `MOST_CONNECTIONS`; a body has at most `receive_buf_size` bytes;
- with `auth_username` and `auth_password` a client has to know both (Basic, RFC 7617), which is worth something over
  TLS or on a loopback alone.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from pysips import __version__
from pysips.core.exports import Json, Module, Where, mi, param
from pysips.core.log import log
from pysips.errors import ModuleError

ATTENDANT: Final = -1
MOST_CONNECTIONS: Final = 100
LOWEST_PORT: Final = 1024
HANDSHAKE_SECONDS: Final = 10.0
GNUTLS_DEFAULT: Final = "SECURE256:+SECURE192:-VERS-ALL:+VERS-TLS1.2"
SERVER: Final = f"PySIPS/{__version__}"

Answer = tuple[int, str, bytes]  # status, Content-Type, body
Handler = Callable[[str, str, bytes], Awaitable[Answer]]  # called with method, path below the root, body


class Httpd(Module):
    is_door = True

    ip: str = param("127.0.0.1", help="The address to listen on; *: all.")
    port: int = param(8888, low=LOWEST_PORT, high=65_535, help="The port.")
    conn_timeout: int = param(30, low=0, help="Seconds that a connection may bring or take nothing; 0: for ever.")
    receive_buf_size: int = param(65_536, low=256, high=1 << 24, help="Bytes of a request's body, at most.")
    buf_size: int = param(0, low=0, help="Bytes of an answer, at most; 0: as many as it has.")
    tls_cert_file: str = param("", help="The certificate, for HTTPS.")
    tls_key_file: str = param("", help="Its private key.")
    tls_ciphers: str = param(GNUTLS_DEFAULT, help="OpenSSL's names of ciphers; else the good ones of TLS 1.2 and 1.3.")
    auth_realm: str = param("OpenSIPS MI", help="The realm that clients are asked for.")
    auth_username: str = param("", help="Who may ask; empty: everybody.")
    auth_password: str = param("", help="With which password.")

    def __init__(self) -> None:
        self.roots: dict[str, tuple[str, Handler]] = {}
        self.tls: ssl.SSLContext | None = None
        self.server: Limited | None = None
        self.listener: asyncio.Server | None = None

    def register(self, root: str, module: str, handler: Handler) -> None:
        """Answer everything below /root; in `configure()`. Raises ModuleError for a root that is taken."""
        root = root.strip("/")
        if root in self.roots:
            raise ModuleError(f'the root "{root}" is {self.roots[root][0]}\'s already')
        self.roots[root] = (module, handler)

    # -- life

    def configure(self) -> None:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ModuleError("tls_cert_file and tls_key_file go together: give both")
        if bool(self.auth_username) != bool(self.auth_password):
            raise ModuleError("auth_username and auth_password go together: give both")
        if '"' in self.auth_realm or not self.auth_realm.isprintable():
            raise ModuleError(f'auth_realm: "{self.auth_realm}" cannot stand in quotes')
        if self.tls_cert_file:
            self.tls = tls_context(self.tls_cert_file, self.tls_key_file, self.tls_ciphers)

    async def start(self) -> None:
        """Raises ModuleError if the address cannot be had."""
        if self.services.slot != ATTENDANT:
            return
        quiet = logging.getLogger("pysips.httpd")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self.server = Limited(
            self.answer, float(self.conn_timeout), access_log=None, logger=quiet, auto_decompress=False,
            keepalive_timeout=float(self.conn_timeout) or 3600.0,
        )  # fmt: skip
        host = None if self.ip == "*" else self.ip.strip("[]")
        try:
            self.listener = await asyncio.get_running_loop().create_server(
                self.server,
                host,
                self.port,
                ssl=self.tls,
                reuse_address=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self.tls is not None else None,
            )
        except OSError as problem:
            raise ModuleError(f"cannot listen on {self.ip}:{self.port}: {problem.strerror or problem}") from None

    async def stop(self) -> None:
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        if self.server is not None:
            await self.server.shutdown(1.0)
            self.server = None

    # -- requests

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, from its head to the last byte of its answer."""
        seconds = float(self.conn_timeout) or None
        try:
            async with asyncio.timeout(seconds):
                response = await self.respond(request)
                response.headers["Server"] = SERVER
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            response = web.Response(status=408)
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
        return response

    async def respond(self, request: web.BaseRequest) -> web.Response:
        """What to answer."""
        if self.auth_username and not is_known(request.headers.get("Authorization", ""), self.known()):
            challenge = f'Basic realm="{self.auth_realm}", charset="UTF-8"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge}, text="Unauthorized\n")
        root, _, rest = request.path.lstrip("/").partition("/")
        found = self.roots.get(root)
        if found is None:
            return web.Response(status=400, text="There is nothing at this path\n")
        body = await read_body(request, self.receive_buf_size)
        if body is None:
            refused = web.Response(status=413, text=f"More than {self.receive_buf_size} bytes (receive_buf_size)\n")
            refused.force_close()
            return refused
        status, kind, data = await self.asked(found[1], request.method, rest, body)
        if self.buf_size and len(data) > self.buf_size:
            status, kind = 500, "text/plain"
            data = f"The answer has {len(data)} bytes, more than buf_size\n".encode()
        return web.Response(status=status, headers={"Content-Type": kind} if kind else None, body=data)

    async def asked(self, handler: Handler, method: str, path: str, body: bytes) -> Answer:
        """The module's answer; a fault of it is a 500 and a line in the log."""
        try:
            return await handler(method, path, body)
        except Exception:
            log.failure("httpd", "a request could not be answered")
            return 500, "text/plain", b"Internal error\n"

    def known(self) -> bytes:
        return f"{self.auth_username}:{self.auth_password}".encode("utf-8", "surrogateescape")

    # -- management

    @mi("httpd_list_root_path", full="httpd:list_root_path", where=Where.ANY)
    def list_root_path(self) -> Json:
        """The roots, and whose they are."""
        return [{"http_root": root, "module": module} for root, (module, _) in self.roots.items()]


class Limited(web.Server):
    """aiohttp's server with limits on connections, and on the time before a connection's next request."""

    def __init__(self, handler: Any, seconds: float, **settings: Any) -> None:
        super().__init__(self.timed, **settings)
        self.inner = handler
        self.seconds = seconds
        self.limits: dict[web.RequestHandler, asyncio.TimerHandle] = {}

    def __call__(self) -> Any:
        if len(self.connections) < MOST_CONNECTIONS:
            return super().__call__()
        if log.limited("httpd:limit", 60.0):
            log.warn("httpd", f"more than {MOST_CONNECTIONS} connections: the next ones are refused")
        return Refused()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.limit(handler, transport)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.unlimit(handler)

    def limit(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """From now on the next request has to come, as a whole, in time."""
        if self.seconds:
            self.unlimit(handler)
            self.limits[handler] = asyncio.get_running_loop().call_later(self.seconds, transport.abort)

    def unlimit(self, handler: web.RequestHandler) -> None:
        timer = self.limits.pop(handler, None)
        if timer is not None:
            timer.cancel()

    async def timed(self, request: web.BaseRequest) -> web.StreamResponse:
        """A request's head is there."""
        handler = request.protocol
        self.unlimit(handler)
        try:
            answer: web.StreamResponse = await self.inner(request)
            return answer
        finally:
            transport = request.transport
            if isinstance(transport, asyncio.Transport) and not transport.is_closing():
                self.limit(handler, transport)


class Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def read_body(request: web.BaseRequest, most: int) -> bytes | None:
    """The body; None if it has more bytes than that."""
    if (request.content_length or 0) > most:
        return None
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > most:
            return None
    return bytes(data)


def is_known(header: str, known: bytes) -> bool:
    """Whether `Authorization: Basic …` says who may ask."""
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        said = base64.b64decode(coded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(said, known)


def tls_context(certificate: str, key: str, ciphers: str) -> ssl.SSLContext:
    """A server's side of TLS. Raises ModuleError for files or names that are of no use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as problem:
        raise ModuleError(f"cannot use {certificate} with {key}: {problem.strerror or problem}") from None
    if ciphers and ciphers != GNUTLS_DEFAULT:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError:
            raise ModuleError(f'tls_ciphers: "{ciphers}" names no ciphers; OpenSSL\'s names are wanted') from None
    return context
