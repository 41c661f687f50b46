"""core/log_events.py: lines of the log as events, and no line about a line."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pysips.core.events import Events, Values
from pysips.core.log import DBG, ERR, INFO, log
from pysips.core.log_consumers import EVENT
from pysips.core.log_events import LOG_EVENT, LogEvents, deliver
from pysips.core.services import Promise
from pysips.testing.story import Story


class Raised:
    """A process whose log is listened to: the events that it raised."""

    def __init__(self, prefix: str = "", threshold: int = 0) -> None:
        self.events = Events()
        self.told: list[Values] = []
        self.later: list[tuple[Any, ...]] = []
        self.source = LogEvents(self.events, prefix, lambda *call: self.later.append(call))
        self.events.listen(LOG_EVENT, self.take)
        log.consumers.set_filter(EVENT, threshold)
        log.listen(self.source.heard)

    def take(self, name: str, values: Values) -> None:
        log.error("test", "said while it is told")
        self.told.append(values)


@pytest.fixture
def raised() -> Iterator[Callable[..., Raised]]:
    level = log.level
    log.set_level(DBG)
    yield Raised
    log.listen(None)
    log.consumers.set_filter(EVENT, 0)
    log.set_level(level)
    assert log.quiet == 0


def test_a_line_is_an_event_with_its_parts(raised: Callable[..., Raised]) -> None:
    one = raised("home")
    log.warn("tm:t_relay", "no way out")
    log.script(ERR, "of the script\n")
    own, script = one.told
    assert re.fullmatch(r"\w{3} [ \d]\d \d\d:\d\d:\d\d", str(own.pop("time")))
    assert own.pop("pid") == log.pid
    assert own == {
        "level": "WARNING", "module": "tm", "function": "t_relay", "prefix": "home", "message": "no way out",
    }  # fmt: skip
    assert list(script) == ["time", "pid", "level", "prefix", "message"]
    assert (script["level"], script["message"]) == ("ERROR", "of the script")


def test_a_filter_lets_less_through_than_the_log_takes(raised: Callable[..., Raised]) -> None:
    one = raised(threshold=INFO)
    log.debug("x", "one")
    log.info("x", "two")
    assert [values["message"] for values in one.told] == ["two"]
    assert "prefix" not in one.told[0]


def test_nobody_who_wants_it_no_work(raised: Callable[..., Raised]) -> None:
    one = raised()
    one.events.known[LOG_EVENT].is_heard = False
    log.error("x", "one")
    assert one.told == []


def test_a_listener_that_breaks_is_told_of_and_breaks_nothing(raised: Callable[..., Raised]) -> None:
    one = raised()

    def breaks(name: str, values: Values) -> None:
        raise RuntimeError("a fault of ours")

    one.events.listen(LOG_EVENT, breaks)
    log.error("x", "one")
    log.error("x", "two")
    assert [values["message"] for values in one.told] == ["one", "two"]


def test_lines_of_other_threads_are_raised_by_the_loop(raised: Callable[..., Raised]) -> None:
    one = raised()
    thread = threading.Thread(target=lambda: log.error("x", "of a thread"))
    thread.start()
    thread.join()
    assert one.told == []
    ((call, *arguments),) = one.later
    call(*arguments)
    assert [values["message"] for values in one.told] == ["of a thread"]


def values(message: str) -> Values:
    return {"message": message}


def raising(story: Story) -> list[str]:
    """The messages of the events that lines raise from now on."""
    found: list[str] = []
    source = LogEvents(story.program.events, "", lambda *call: None)
    story.program.events.listen(LOG_EVENT, lambda name, values: found.append(str(values["message"])))
    log.listen(source.heard)
    return found


def test_the_lines_of_the_events_own_route_raise_none() -> None:
    story = Story('event_route[E_CORE_LOG] { xlog("L_ERR", "heard $param(message)\\n"); }')
    found = raising(story)
    deliver(story.program, values("one"))
    assert found == []
    log.error("x", "afterwards")
    assert found == ["afterwards"]
    log.listen(None)


def test_nor_do_those_of_a_route_that_waits_until_it_has_ended() -> None:
    story = Story("event_route[E_CORE_LOG] { exit; }")
    promise = Promise()
    story.program.routes["event_route", LOG_EVENT] = lambda ctx: waits(promise)
    found = raising(story)
    deliver(story.program, values("one"))
    log.error("x", "meanwhile")
    assert found == []
    promise.fail(RuntimeError("the wait breaks"))
    log.error("x", "afterwards")
    assert found == ["afterwards"]
    log.listen(None)


async def waits(promise: Promise) -> int:
    await promise
    log.error("script", "heard")
    return 1
