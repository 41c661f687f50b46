"""Management commands: JSON-RPC 2.0 in, and out of whichever process knows (OpenSIPS: mi/).

Facts:
- a command is done once (in the attendant, or in slot 0), by each worker and merged, or by whoever is asked
  (house rule 9.6); the attendant does the asking, over the handover, and waits 2 s at most;
- 4.0's names (`core:ps`) and the older ones (`ps`) both answer, and `which` lists both;
- an answer that comes page by page (`core/paged.py`) is gathered for whoever does not take it so;
- merged means: objects key by key, lists one after another, numbers added, of anything else the first.
"""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, Final

from pysips.core.exports import Json, MiError, MiSpec, Where
from pysips.core.log import log
from pysips.core.paged import Paged
from pysips.core.paged import json_text as dumped
from pysips.core.services import Management, Promise
from pysips.errors import PysipsError, SipError

from .handover import Answered, Handover
from .mi_params import bound, by_words
from .offload import driven

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
NOT_FOUND: Final = -32601
INTERNAL: Final = -32603
EACH_SECONDS: Final = 2.0
LARGEST: Final = 1 << 20
BEGINNING: Final = '{"jsonrpc":"2.0","result":'


class Mi(Management):
    """The commands of one process. slot: -1 in the attendant, who asks the others; slots: how many workers; owner:
    which of them has a call, by its Call-ID."""

    def __init__(
        self, commands: Iterable[MiSpec], slot: int, slots: int, line: Handover, owner: Callable[[str], int]
    ) -> None:
        self.owner = owner
        self.slot = slot
        self.slots = slots
        self.line = line
        self.tasks: set[asyncio.Task[str]] = set()
        self.commands: dict[str, MiSpec] = {}
        for spec in commands:
            for name in (spec.name, spec.full):
                self.commands.setdefault(name, spec)
        line.commands = self.asked

    def names(self) -> list[str]:
        """What `which` lists."""
        return [name for name in self.commands if name[:1] != "_"]

    # -- JSON-RPC

    def answer(self, text: str, paged: bool = False) -> Promise:
        """See `core.services.Management`."""
        try:
            request = decoded(text)
        except ValueError:
            return promised(written(error_of(MiError(PARSE_ERROR, "Parse error")), None))
        if not isinstance(request, dict):
            return promised(written(error_of(MiError(INVALID_REQUEST, "Invalid Request")), None))
        number = request.get("id")
        if not isinstance(number, (str, int, float, type(None))) or isinstance(number, bool):
            return promised(written(error_of(MiError(INVALID_REQUEST, "Invalid Request")), None))
        method = request.get("method")
        if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
            return promised(written(error_of(MiError(INVALID_REQUEST, "Invalid Request")), number))
        params = request.get("params")
        if not isinstance(params, (list, dict, type(None))):
            return promised(written(error_of(MiError(INVALID_REQUEST, "Invalid Request")), number))
        promise = Promise()
        result = self.perform(method, params)
        silent = "id" not in request

        def done() -> None:
            if silent:
                promise.complete("")
            elif not isinstance(result.value, Paged):
                promise.complete(written(outcome(result), number))
            elif paged:
                promise.complete(Paged(framed(result.value, number)))
            else:
                whole = self.gathered(result.value)
                whole.when_done(lambda: promise.complete(framed_whole(whole, number)))

        result.when_done(done)
        return promise

    def call(self, method: str, words: list[str]) -> Promise:
        """See `core.services.Management`."""
        spec = self.commands.get(method)
        return self.unpaged(self.perform(method, words if spec is None else by_words(spec, words)))

    def ask_attendant(self, method: str, values: dict[str, Any]) -> Promise:
        """See `core.services.Management`."""
        spec = self.commands.get(method)
        if spec is None:
            return failed(MiError(NOT_FOUND, "Method not found"))
        return self.unpaged(self.here(spec, values)) if self.slot < 0 else self.elsewhere(self.slots, method, values)

    # -- doing it

    def perform(self, method: str, params: Any) -> Promise:
        """Do a command wherever it has to be done; the promise brings Json or fails with MiError."""
        spec = self.commands.get(method)
        try:
            if spec is None:
                raise MiError(NOT_FOUND, "Method not found")
            values = bound(spec, params)
        except MiError as problem:
            return failed(problem)
        if self.slot >= 0 or spec.where in (Where.ONCE, Where.ANY):
            return self.here(spec, values)
        if spec.where is Where.FIRST:
            return self.elsewhere(self.slot_for(spec, values), spec.full, values, spec.seconds or EACH_SECONDS)
        return self.each(spec.full, values)

    def slot_for(self, spec: MiSpec, values: dict[str, Any]) -> int:
        """The worker that is to do a command: the owner of the call that it is about, or else the first."""
        call_id = spec.call_id(**values) if spec.call_id is not None else ""
        return self.owner(call_id) if call_id else 0

    def here(self, spec: MiSpec, values: dict[str, Any]) -> Promise:
        """In this process."""
        try:
            result = spec.call(**values)
        except MiError as problem:
            return failed(problem)
        except SipError as problem:
            return failed(MiError(problem.status, problem.reason))
        except Exception:
            log.failure("mi", f"the command {spec.name} failed")
            return failed(MiError(INTERNAL, "Internal error"))
        return self.later(spec, result) if inspect.iscoroutine(result) else promised(result)

    def later(self, spec: MiSpec, work: Any) -> Promise:
        """A command that waits; whatever goes wrong in it becomes an MiError."""
        promise, result = Promise(), driven(work)

        def done() -> None:
            problem = result.failure
            if problem is None:
                promise.complete(result.value)
            elif isinstance(problem, MiError):
                promise.fail(problem)
            else:
                log.error("mi", f"the command {spec.name} failed: {problem!r}")
                promise.fail(MiError(INTERNAL, "Internal error"))

        result.when_done(done)
        return promise

    def elsewhere(self, seat: int, method: str, values: dict[str, Any], seconds: float = EACH_SECONDS) -> Promise:
        """In one other process, within so many seconds."""
        promise = Promise()
        asked = self.line.ask(seat, dumped({"method": method, "params": values}), seconds)

        def done() -> None:
            if asked.value is None:
                promise.fail(MiError(500, "The process did not answer in time"))
                return
            answer = decoded(asked.value)
            if "error" in answer:
                error = answer["error"]
                promise.fail(MiError(error["code"], error["message"], error.get("data")))
            else:
                promise.complete(answer["result"])

        asked.when_done(done)
        return promise

    def each(self, method: str, values: dict[str, Any]) -> Promise:
        """In each worker; the promise brings the answers merged, or the failure if all failed."""
        promise = Promise()
        answers = self.ask_all(range(self.slots), method, values)

        def done() -> None:
            results: list[Promise] = answers.value
            well = [one.value for one in results if one.failure is None]
            if well:
                promise.complete(merged(well))
            else:
                promise.fail(results[0].failure or MiError(INTERNAL, "Internal error"))

        answers.when_done(done)
        return promise

    def ask_all(
        self, seats: Iterable[int], method: str, values: dict[str, Any], seconds: float = EACH_SECONDS
    ) -> Promise:
        """In several processes at once; the promise brings their promises, all done."""
        promise = Promise()
        waiting = [self.elsewhere(seat, method, values, seconds) for seat in seats]

        def one_done() -> None:
            if all(one.done for one in waiting):
                promise.complete(waiting)

        for one in waiting:
            one.when_done(one_done)
        return promise

    def asked(self, text: str, answered: Answered) -> None:
        """The attendant asks this process to do a command."""
        request = decoded(text)
        spec = self.commands.get(request["method"])
        made = failed(MiError(NOT_FOUND, "Method not found")) if spec is None else self.here(spec, request["params"])
        result = self.unpaged(made)
        result.when_done(lambda: answered(dumped(outcome(result))))

    # -- pages

    def unpaged(self, result: Promise) -> Promise:
        """The same, as Json whatever it is."""
        promise = Promise()

        def done() -> None:
            if result.failure is not None:
                promise.fail(result.failure)
            elif isinstance(result.value, Paged):
                whole = self.gathered(result.value)
                whole.when_done(lambda: brought(promise, whole, json.loads))
            else:
                promise.complete(result.value)

        result.when_done(done)
        return promise

    def gathered(self, paged: Paged) -> Promise:
        """The promise brings the text of all the pages, or MiError."""
        promise = Promise()
        whole: Coroutine[Any, Any, str] = paged.whole()
        task = asyncio.get_running_loop().create_task(whole)
        self.tasks.add(task)

        def done(ended: "asyncio.Task[str]") -> None:
            self.tasks.discard(ended)
            problem = asyncio.CancelledError() if ended.cancelled() else ended.exception()
            if problem is None:
                promise.complete(ended.result())
            else:
                log.error("mi", f"a command failed: {problem!r}")
                promise.fail(MiError(INTERNAL, "Internal error"))

        task.add_done_callback(done)
        return promise


def outcome(result: Promise) -> dict[str, Any]:
    """{"result": …} or {"error": …} of a command that is done."""
    if result.failure is None:
        return {"result": result.value}
    problem = result.failure if isinstance(result.failure, MiError) else MiError(INTERNAL, "Internal error")
    return error_of(problem)


def error_of(problem: MiError) -> dict[str, Any]:
    error: dict[str, Any] = {"code": problem.code, "message": str(problem)}
    if problem.data is not None:
        error["data"] = problem.data
    return {"error": error}


def written(fields: dict[str, Any], number: Any) -> str:
    """A JSON-RPC answer in OpenSIPS' order of keys."""
    return dumped({"jsonrpc": "2.0", **fields, "id": number})


def framed_whole(whole: Promise, number: Any) -> str:
    """A JSON-RPC answer out of a result's JSON, or of the failure."""
    if whole.failure is not None:
        return written(outcome(whole), number)
    return f'{BEGINNING}{whole.value},"id":{dumped(number)}}}'


async def framed(paged: Paged, number: Any) -> AsyncIterator[str]:
    """The same as a JSON-RPC answer."""
    yield BEGINNING
    async for page in paged.pages:
        yield page
    yield f',"id":{dumped(number)}}}'


def decoded(text: str) -> Any:
    """JSON, however hostile. Raises ValueError."""
    if len(text) > LARGEST * 32:
        raise ValueError("too long")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def brought(promise: Promise, source: Promise, made: Callable[[Any], Any]) -> None:
    """Bring what is made of another promise's value, or its failure."""
    if source.failure is not None:
        promise.fail(source.failure)
    else:
        promise.complete(made(source.value))


def promised(value: Any) -> Promise:
    promise = Promise()
    promise.complete(value)
    return promise


def failed(problem: PysipsError) -> Promise:
    promise = Promise()
    promise.fail(problem)
    return promise


def merged(answers: list[Json]) -> Json:
    """The answers of several processes as one."""
    first = answers[0]
    if isinstance(first, dict):
        tables = [one for one in answers if isinstance(one, dict)]
        keys = dict.fromkeys(key for one in tables for key in one)
        return {key: merged([one[key] for one in tables if key in one]) for key in keys}
    if isinstance(first, list):
        return [item for one in answers if isinstance(one, list) for item in one]
    if isinstance(first, (int, float)) and not isinstance(first, bool):
        return sum(one for one in answers if isinstance(one, (int, float)))
    return first
