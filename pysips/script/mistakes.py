"""How the parser goes on after a syntax error, so that all errors of a file are found at once.

After an error inside a block the rest of the statement is passed over, up to its `;`, its `}` or its own block;
at the top level the rest up to the next line that starts an item. A missing `;` is put in.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from pysips.errors import Complaint

from .cures import STATEMENT_STARTS, WORD, Unexpected, cure_of
from .source import Source

MAX_COMPLAINTS: Final = 50
ITEM_STARTS: Final = frozenset({"GLOBAL", "ROUTE_WORD", "LOADMODULE"})  # a parser between items takes these
ROUTE_WORDS: Final = r"(?:(?:onreply|onsend|failure|branch|event|error|local|startup|timer)_)?route"
HEADING: Final = re.compile(rf"[ \t]*({ROUTE_WORDS})[ \t]*[\[{{]")
NEXT_ITEM: Final = re.compile(
    rf"\n(?=[ \t]*(?:loadmodule\b|modparam\s*\(|{ROUTE_WORDS}\s*[\[{{]|[a-z_][a-z0-9_]*\s*=[^=~]))"
)
EDGE: Final = re.compile(r""""(?:[^"\\]|\\[\s\S])*"|'[^']*'|[;{}]""")
STARTED: Final = re.compile(r"[;{}][^;{}]*\Z|\A[^;{}]*\Z")


class Mistakes:
    """Collects the syntax errors of one source while it is parsed; `token(kind, text, …)` makes a parser's token."""

    def __init__(self, read: Source, token: Callable[..., Any]) -> None:
        self.source = read
        self.text = read.text
        self.complaints: list[Complaint] = []
        self.token = token
        self.last_offset = -1

    def recover(self, error: Any) -> bool:
        """Called by the parser at each error; False gives up."""
        offset, width, word, ended = self.where(error)
        accepted = self.accepts(error)
        if word == "}" and "SEMICOLON" in accepted and offset != self.last_offset and self.in_block(error):
            self.last_offset = offset
            self.feed(error, "SEMICOLON", ";")  # the last statement of a block may do without
            return self.read_again(error)
        if len(self.complaints) >= MAX_COMPLAINTS:
            return False
        if ended:
            return self.close_everything(error)
        in_block = self.in_block(error)
        heading = HEADING.match(self.text, self.text.rfind("\n", 0, offset) + 1)
        if in_block and heading is not None and offset <= heading.end():
            return self.route_in_block(error, heading.start(1), heading.group(1))
        stuck, self.last_offset = offset == self.last_offset, offset
        mistake = Unexpected(self.source, offset, word, accepted, in_block)
        if in_block and not stuck and ended_too_early(mistake):
            self.complain("syntax error", "missing ';'?", len(mistake.before), 1)
            self.feed(error, "SEMICOLON", ";")
            return self.read_again(error)
        if not stuck:
            self.complain(f"syntax error at {shortened(word)}", cure_of(mistake), offset, width)
        if in_block:
            self.leave_statement(error, offset, offset + width if stuck else offset)
        else:
            self.leave_item(error, offset + width if stuck else offset)
        return True

    def where(self, error: Any) -> tuple[int, int, str, bool]:
        """Offset, width and text of what was not expected, and whether it is the end of the text."""
        token = getattr(error, "token", None)
        if token is None:
            offset = error.pos_in_stream
            found = WORD.match(self.text, offset)
            word = found.group() if found is not None else self.text[offset]
            return offset, len(word), word, False
        if token.type == "$END":
            return len(self.text.rstrip()), 1, "", True
        return token.start_pos, len(token.split("\n", 1)[0]), str(token), False

    def complain(self, message: str, cure: str, offset: int, width: int) -> None:
        self.complaints.append(self.source.complaint_at(message, cure, offset, width))

    # -- the parser's state

    def accepts(self, error: Any) -> set[str]:
        """Names of the terminals that could stand here."""
        accepted: set[str] = error.interactive_parser.accepts()
        return accepted

    def takes(self, state: Any, number: Any) -> frozenset[str]:
        """Terminals that a parser's state takes as they are, without finishing something first."""
        actions = state.parse_conf.states[number].items()
        return frozenset(kind for kind, (action, _) in actions if action.name == "Shift")

    def in_block(self, error: Any) -> bool:
        """Whether the parser stands inside of a route's block."""
        state = error.interactive_parser.parser_state
        return any(self.takes(state, one) >= STATEMENT_STARTS for one in state.state_stack)

    def back_to(self, error: Any, starts: frozenset[str]) -> None:
        """Forget what is not finished, back to where a statement or item could start; what is whole before it stays."""
        state = error.interactive_parser.parser_state
        while not self.takes(state, state.state_stack[-1]) >= starts:
            state.state_stack.pop()
            state.value_stack.pop()

    def feed(self, error: Any, kind: str, text: str) -> None:
        """Give the parser a word that is not in the text."""
        counter = error.interactive_parser.lexer_thread.state.line_ctr
        error.interactive_parser.feed_token(self.token(kind, text, counter.char_pos, counter.line, counter.column))

    def move_to(self, error: Any, offset: int) -> None:
        """Have the text read on from an offset."""
        counter = error.interactive_parser.lexer_thread.state.line_ctr
        counter.char_pos = offset
        counter.line = self.text.count("\n", 0, offset) + 1
        counter.line_start_pos = self.text.rfind("\n", 0, offset) + 1
        counter.column = offset - counter.line_start_pos + 1

    def read_again(self, error: Any) -> bool:
        """Have the unexpected word read again, now that the parser stands elsewhere."""
        token = getattr(error, "token", None)
        if token is not None:
            self.move_to(error, token.start_pos)
        return True

    # -- going on

    def leave_item(self, error: Any, offset: int) -> None:
        """Go on with the next line that starts an item."""
        self.back_to(error, ITEM_STARTS)
        found = NEXT_ITEM.search(self.text, offset)
        self.move_to(error, found.end() if found is not None else len(self.text))

    def leave_statement(self, error: Any, offset: int, search_from: int) -> None:
        """Go on after the broken statement; its own block, if it has one, is read as that of an `if (1)`."""
        self.back_to(error, STATEMENT_STARTS)
        before = STARTED.search(self.text[:offset])
        first = WORD.search(before.group()) if before is not None else None
        keeps_block = first is None or first.group() != "switch"
        end, block = self.end_of_statement(search_from, keeps_block)
        self.move_to(error, end)
        if block:
            self.feed(error, "IF", "if")
            self.feed(error, "NUMBER", "1")
        else:
            self.feed(error, "SEMICOLON", ";")

    def end_of_statement(self, at: int, keeps_block: bool) -> tuple[int, bool]:
        """Where the broken statement ends, or where its own block starts (then True)."""
        depth = 0
        for edge in EDGE.finditer(self.text, at):
            letter = edge.group()
            if letter == "{":
                if depth == 0 and keeps_block:
                    return edge.start(), True
                depth += 1
            elif letter == "}":
                if depth == 0:
                    return edge.start(), False
                depth -= 1
                if depth == 0:
                    return edge.end(), False
            elif letter == ";" and depth == 0:
                return edge.end(), False
        return len(self.text), False

    def route_in_block(self, error: Any, offset: int, word: str) -> bool:
        """A route starts while a block is open: close what is open, and go on with the route."""
        line = self.source.origin_of(self.text.count("\n", 0, self.open_brace(offset)) + 1)[1]
        cure = f"the block that starts in line {line} is still open: missing '}}'?"
        self.complain(f"syntax error at '{word}'", cure, offset, len(word))
        self.close_blocks(error)
        self.back_to(error, ITEM_STARTS)
        self.move_to(error, offset)
        return True

    def close_blocks(self, error: Any) -> None:
        """Finish the statement and all blocks that are open."""
        if "SEMICOLON" in self.accepts(error):
            self.feed(error, "SEMICOLON", ";")
        while "RBRACE" in self.accepts(error):
            self.feed(error, "RBRACE", "}")

    def close_everything(self, error: Any) -> bool:
        """The text ended inside something: say what is open, and close it."""
        opened = self.open_brace(len(self.text))
        if opened >= 0:
            self.complain("this block never ends", "add the missing '}'", opened, 1)
        else:
            self.complain("the file ends in the middle of something", "", len(self.text.rstrip()), 1)
        self.close_blocks(error)
        return "$END" in self.accepts(error)

    def open_brace(self, end: int) -> int:
        """The offset of the innermost `{` before `end` that nothing closes; -1 if there is none."""
        opened = []
        for edge in EDGE.finditer(self.text, 0, end):
            if edge.group() == "{":
                opened.append(edge.start())
            elif edge.group() == "}" and opened:
                opened.pop()
        return opened[-1] if opened else -1


def ended_too_early(mistake: Unexpected) -> bool:
    """Whether a `;` is missing before a word that starts a statement."""
    if "SEMICOLON" not in mistake.accepted or mistake.before[-1:] in (";", "{", "}"):
        return False
    return WORD.match(mistake.word) is not None or mistake.word.startswith("$")


def shortened(word: str) -> str:
    """A word of the script for a message."""
    line = word.split("\n", 1)[0]
    return f"'{line[:30]}…'" if len(line) > 30 or line != word else f"'{word}'"
