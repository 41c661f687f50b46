"""What a script may write into a head.

Nothing that a script took from a peer may begin a header line of its own, end the head early or hide itself: text with
line ends or other control characters is refused wherever a single line is wanted.
"""

from typing import Final

from .headers import is_legal

CONTROL: Final = dict.fromkeys((*range(9), *range(10, 32), 127))


def is_one_line(text: str) -> bool:
    """True for a text that can stand in a line without beginning another one."""
    return text.isprintable() or text.translate(CONTROL) == text


def header_lines(text: str) -> str:
    """Header lines as a script gives them, made fit to be put into a head: each with its CRLF, folds kept.

    Raises ValueError for an empty line (it would end the head) and for a line that is no header.
    """
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    for number, line in enumerate(lines):
        if not is_one_line(line):
            raise ValueError("a control character in a header")
        folded = number > 0 and line[:1] in (" ", "\t") and line.strip(" \t")
        if not folded and not is_legal(line):
            raise ValueError("no header line: " + line[:60])
    return "\r\n".join(lines) + "\r\n"
