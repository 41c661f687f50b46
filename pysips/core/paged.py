"""Answers of management commands that are too long to be held whole: JSON, written page by page.

Facts:
- a command that returns `Paged` has its pages made one after the other, in a task, as fast as they are taken;
- a door that can write page by page asks for it (`Management.answer(…, paged=True)`); all others get the whole.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, final


@final
class Paged:
    """pages: pieces of JSON text; all of them together are the answer."""

    __slots__ = ("pages",)

    def __init__(self, pages: AsyncIterator[str]) -> None:
        self.pages = pages

    async def whole(self) -> str:
        """All pages as one text, in a task of asyncio."""
        return "".join([page async for page in self.pages])


def json_text(value: Any) -> str:
    """JSON without blanks; what is no UTF-8 is escaped, so that the text can always be sent."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()
