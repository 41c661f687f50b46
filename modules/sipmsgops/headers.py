"""Headers put in, taken out, looked for (sipmsgops; OpenSIPS: header lumps)."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Final

from pysips.core.context import Context
from pysips.core.head_edits import header_lines_of, lines_of, remove_headers, set_values, values_now
from pysips.core.log import log
from pysips.sip.headers import is_token
from pysips.sip.rewrite import header_lines
from pysips.sip.text import split_list

LONGEST_GLOB: Final = 256


def put(ctx: Context, text: str, beside: str, after: bool) -> int:
    """append_hf and insert_hf: after or before the first header called `beside`, else behind or before all of them."""
    message = ctx.message
    try:
        lines = header_lines(text)
    except ValueError as problem:
        log.error("sipmsgops:append_hf", f"refused: {problem}")
        return -1
    found = lines_of(message, beside) if beside else []
    if found:
        ctx.edits.insert(message.span(found[0])[after], lines)
    else:
        ctx.edits.insert(message.starts[-1 if after else 1], lines)
    return 1


def remove_all(ctx: Context, lines: Iterable[int]) -> int:
    """Take these headers out: 1, or -1 if there was none left."""
    return 1 if remove_headers(ctx, lines) else -1


def matching(ctx: Context, fits: Callable[[str], object]) -> list[int]:
    """The headers whose names fit."""
    return [k for k in header_lines_of(ctx.message) if fits(ctx.message.name(k))]


@lru_cache(maxsize=256)
def glob(pattern: str) -> Callable[[str], object]:
    """Whether a whole name is like a shell pattern, case counts. Raises ValueError for one that is too long."""
    if len(pattern) > LONGEST_GLOB:
        raise ValueError("the pattern is too long")
    return re.compile(translate(pattern)).match


def has_option(ctx: Context, name: str, option: str) -> int:
    """list_hdr_has_option: whether a header with a list, as it came, has this element."""
    wanted = option.lower()
    for k in lines_of(ctx.message, name):
        if wanted in [one.lower() for one in split_list(ctx.message.value_at(k))]:
            return 1
    return -1


def add_option(ctx: Context, name: str, option: str) -> int:
    """list_hdr_add_option: put an element at the end of the list, or make the header."""
    if not is_token(option):
        log.error("sipmsgops:list_hdr_add_option", f"refused as an option: {option}")
        return -1
    lines = lines_of(ctx.message, name)
    values = values_now(ctx, lines)
    if any(option.lower() in listed(value) for value in values):
        return 1
    if not lines:
        return put(ctx, f"{name}: {option}", "", after=True)
    set_values(ctx, {lines[0]: values[0] + "," + option if values[0] else option})
    return 1


def remove_option(ctx: Context, name: str, option: str) -> int:
    """list_hdr_remove_option: take an element out, and the header too if it was the only one."""
    wanted = option.lower()
    lines = lines_of(ctx.message, name)
    changed: dict[int, str | None] = {
        k: without(value, wanted) or None
        for k, value in zip(lines, values_now(ctx, lines), strict=True)
        if value and wanted in listed(value)
    }
    set_values(ctx, changed)
    return 1 if changed else -1


def listed(value: str | None) -> list[str]:
    """The elements of a list in small letters."""
    return [one.lower() for one in split_list(value)] if value else []


def without(value: str, option: str) -> str:
    """A list without an element; the blanks and commas of the others stay as they are."""
    pieces = value.split(",")
    kept = [piece for piece in pieces if piece.strip().lower() != option]
    return ",".join(kept).strip()
