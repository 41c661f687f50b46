"""mi_http: management commands over HTTP (OpenSIPS: mi_http). `POST /mi` with a JSON-RPC request, or several.

Facts:
- an answer is 200 with `application/json`, an error of JSON-RPC too; a notification gets 202 and nothing; whatever the
  request's Content-Type says, its body is read as JSON;
- several requests in one list are answered by a list, in their order (JSON-RPC 2.0, section 6);
- other methods than POST are 405: there are no pages for people.
"""

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from pysips.core.exports import Module, modparam, needs, param
from pysips.core.services import Promise

if TYPE_CHECKING:
    from .httpd import Answer, Httpd

MOST_AT_ONCE: Final = 100  # requests in a list
KIND: Final = "application/json"
PARSE_ERROR: Final = '{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"},"id":null}'
INVALID: Final = '{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}'


class MiHttp(Module):
    root: str = param("mi", help="The path: http://ip:port/root")
    pretty_printing: bool = param(False, help="Answer with JSON for people.")

    httpd: "Httpd" = needs("httpd")

    @modparam("mi_http_root", help="The same, as up to OpenSIPS 3.5.")
    def set_root(self, value: str) -> None:
        self.root = value

    def configure(self) -> None:
        self.httpd.register(self.root, "mi_http", self.answer)

    async def answer(self, method: str, path: str, body: bytes) -> "Answer":
        """A request to our root."""
        if path:
            return 400, "text/plain", b"There is nothing at this path\n"
        if method != "POST":
            return 405, "text/plain", b"Only POST\n"
        text = await self.said(body)
        if not text:
            return 202, "", b""
        if self.pretty_printing:
            text = json.dumps(json.loads(text), indent=4, ensure_ascii=False)
        return 200, KIND, text.encode("utf-8", "backslashreplace")

    async def said(self, body: bytes) -> str:
        """The answer to one request, or to several."""
        try:
            text = body.decode("utf-8")
            asked: Any = json.loads(text)
        except (ValueError, RecursionError):
            return PARSE_ERROR
        management = self.services.management
        if not isinstance(asked, list):
            return await result(management.answer(text))
        if not 0 < len(asked) <= MOST_AT_ONCE:
            return INVALID
        answers = [await result(management.answer(json.dumps(one))) for one in asked]
        told = [one for one in answers if one]
        return "[" + ",".join(told) + "]" if told else ""


async def result(promise: Promise) -> str:
    """Wait for a command, in a task of asyncio."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def done() -> None:
        if not future.done():
            future.set_result(promise.value)

    promise.when_done(done)
    return await future
