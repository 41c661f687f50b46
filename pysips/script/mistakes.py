"""Syntax errors said for people, and how the parser goes on after one, so that all of a file are found at once.

After an error inside a block the rest of the statement is passed over, up to its `;`, its `}` or its own block;
at the top level the rest up to the next line that starts an item.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from pysips.errors import Complaint

from .source import Source

MAX_COMPLAINTS: Final = 50
STATEMENT_STATE: Final = frozenset({"IF", "WHILE", "SWITCH", "SEMICOLON"})  # what a state between statements takes
TOP_STATE: Final = frozenset({"GLOBAL", "ROUTE_WORD", "LOADMODULE"})  # the same between items
HEADING: Final = re.compile(
    r"[ \t]*((?:(?:onreply|onsend|failure|branch|event|error|local|startup|timer)_)?route)[ \t]*[\[{]"
)
NEXT_ITEM: Final = re.compile(
    r"\n(?=[ \t]*(?:loadmodule\b|modparam\s*\(|(?:(?:onreply|onsend|failure|branch|event|error|local|startup|timer)_)?"
    r"route\s*[\[{]|[a-z_][a-z0-9_]*\s*=[^=~]))"
)
EDGE: Final = re.compile(r""""(?:[^"\\]|\\[\s\S])*"|'[^']*'|[;{}]""")
COMPARISONS: Final = ("==", "!=", "=~", "!~", "<=", ">=", "<", ">")
RETURNING: Final = re.compile(r"\breturn\b[^;{}]*\Z")
WORD: Final = re.compile(r"[A-Za-z_]\w*")
STARTED: Final = re.compile(r"[;{}][^;{}]*\Z|\A[^;{}]*\Z")
ASSIGNED: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*(=|\[|\{)?")


class Mistakes:
    """Collects the syntax errors of one source while it is parsed; `token(kind, text, …)` makes a parser's token."""

    def __init__(self, read: Source, token: Callable[..., Any]) -> None:
        self.source = read
        self.text = read.text
        self.complaints: list[Complaint] = []
        self.token = token
        self.last_offset = -1

    # -- what went wrong

    def recover(self, error: Any) -> bool:
        """Called by the parser at each error; False gives up."""
        state = error.interactive_parser.parser_state
        offset, width, word, ended = self.where(error)
        accepted = self.acceptable(error)
        if word == "}" and "SEMICOLON" in accepted:
            self.feed(error, "SEMICOLON", ";")  # the last statement of a block may do without
            return self.read_again(error)
        if len(self.complaints) >= MAX_COMPLAINTS:
            return False
        if ended:
            return self.close_everything(error)
        in_block = any(self.takes(state, one) >= STATEMENT_STATE for one in state.state_stack)
        heading = HEADING.match(self.text, self.text.rfind("\n", 0, offset) + 1)
        if in_block and heading is not None and offset <= heading.end():
            return self.route_in_block(error, heading.start(1), heading.group(1))
        before = self.text[:offset].rstrip()
        unended = "SEMICOLON" in accepted and before[-1:] not in (";", "{", "}")
        if unended and in_block and starts_statement(word) and offset != self.last_offset:
            self.last_offset = offset
            self.complain("syntax error", "missing ';'?", len(before), 1)
            self.feed(error, "SEMICOLON", ";")
            return self.read_again(error)
        if offset != self.last_offset:
            self.complain(*self.explain(word, accepted, in_block, offset), offset, width)
        stuck, self.last_offset = offset == self.last_offset, offset
        return self.pass_over(error, in_block, offset, width if stuck else 0)

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

    def acceptable(self, error: Any) -> set[str]:
        """Names of the terminals that could stand here."""
        accepted: set[str] = error.interactive_parser.accepts()
        return accepted

    def takes(self, state: Any, number: Any) -> frozenset[str]:
        """Terminals that a parser's state takes as they are, without finishing something first."""
        return frozenset(
            kind for kind, (action, _) in state.parse_conf.states[number].items() if action.name == "Shift"
        )

    def complain(self, message: str, cure: str, offset: int, width: int) -> None:
        self.complaints.append(self.source.complaint_at(message, cure, offset, width))

    def explain(self, word: str, accepted: set[str], in_block: bool, offset: int) -> tuple[str, str]:
        """A message and a cure for one unexpected word."""
        if not in_block:
            return self.explain_top(word, accepted, offset)
        before = self.text[:offset].rstrip()
        message = f"syntax error at {shortened(word)}"
        found = self.by_word(word, accepted, before) or self.by_accepted(word, accepted, before)
        return message, found or self.string_hint(before)

    def by_word(self, word: str, accepted: set[str], before: str) -> str:
        """A cure that the unexpected word suggests."""
        if word == "{" and before[-1:] == ")" and "RPAR" not in accepted and "SEMICOLON" in accepted:
            return "a block belongs to if, else, while, for or switch; a transformation reads $(name{class.name})"
        if word == "{" and "SEMICOLON" in accepted:
            return "a block belongs to if, else, while, for or switch: a missing word, or a ';' before it?"
        if word == "else":
            return "an else stands right after the statement or block of its if: a ';' too many?"
        if word in ("case", "default"):
            return f"{word} belongs into the block of a switch"
        if word in ("}", "{") and "RPAR" in accepted:
            return "missing ')'?"
        if word == "[" and before[-1:] == ")":
            return "an index stands inside of the variable: $(name[0])"
        if word[:1] in "\"'" and before[-1:] in "\"'":
            return "missing ',' between two strings?"
        compared = "COMPARE" in accepted or "ASSIGN" not in accepted
        if compared and (word.startswith(COMPARISONS) or before.endswith(COMPARISONS)):
            return "a comparison has a variable on its left, a variable, string, number or NULL on its right"
        return ""

    def by_accepted(self, word: str, accepted: set[str], before: str) -> str:
        """A cure that follows from what could stand here."""
        if "ROUTE_NAME" in accepted:
            return "a route needs a name in brackets: route(NAME)"
        if accepted == {"LPAR"}:
            return "missing '('?"
        if RETURNING.search(before) is not None:
            return "return takes numbers and variables: return(5) or return($var(x))"
        if "ASSIGN" in accepted and "COMPARE" not in accepted:
            return "a variable alone is no statement: an assignment reads $var(x) = value"
        if "_NOT" in accepted:
            return "a condition is made of comparisons, variables, numbers and calls"
        if accepted >= STATEMENT_STATE:
            return "a statement is a call, an assignment, if, while, for, switch, exit, drop or return"
        if "RPAR" in accepted and "COMMA" in accepted:
            return "missing ',' or ')'? arguments are strings, numbers and variables"
        if {"VARIABLE", "STRING"} <= accepted:
            return "a value is missing: a number, a string, a variable or a call"
        if accepted == {"SEMICOLON"} and word[:1] == "=":
            return "only variables are assigned to"
        return "missing ';'?" if "SEMICOLON" in accepted else ""

    def explain_top(self, word: str, accepted: set[str], offset: int) -> tuple[str, str]:
        """The same outside of all blocks."""
        message = f"syntax error at {shortened(word)}"
        line = self.text[self.text.rfind("\n", 0, offset) + 1 : offset + 80].split("\n", 1)[0]
        if re.match(r"\s*(?:\w+_)?route\b", line) and ("ROUTE_NAME" in accepted or "RSQB" in accepted or word == "("):
            return message, "a route needs a name in brackets: route[NAME] { … }"
        if re.match(r"\s*loadmodule\b", line):
            return message, 'loadmodule takes one quoted name: loadmodule "tm.so"'
        if re.match(r"\s*modparam\b", line):
            return message, 'it reads modparam("module", "name", value)'
        if word == "}":
            return message, "a '}' too many?"
        if word == "=" or (ASSIGNED.match(line) is not None and "=" in line):
            return message, "a setting reads NAME = value: has the one before none?"
        if WORD.match(word):
            return message, "statements stand inside a route: route { … }"
        return message, self.string_hint(self.text[:offset])

    def string_hint(self, before: str) -> str:
        """A string over several lines just before an error is often one whose quote was forgotten."""
        last = None
        for found in EDGE.finditer(before):
            last = found if found.group()[0] in "\"'" else last
        if last is not None and "\n" in last.group() and before.count("\n", last.end()) < 2:
            line = before.count("\n", 0, last.start()) + 1
            line = self.source.origin_of(line)[1]
            return f"the string that starts in line {line} runs over several lines: a missing quote?"
        return ""

    # -- going on

    def route_in_block(self, error: Any, offset: int, word: str) -> bool:
        """A route starts while a block is open: close what is open, and go on with the route."""
        opened = self.open_brace(offset)
        line = self.source.origin_of(self.text.count("\n", 0, opened) + 1)[1]
        cure = f"the block that starts in line {line} is still open: missing '}}'?"
        self.complain(f"syntax error at '{word}'", cure, offset, len(word))
        self.close_blocks(error)
        self.to_top(error.interactive_parser.parser_state)
        self.move_to(error, offset)
        return True

    def to_top(self, state: Any) -> None:
        """Forget what is not finished; whole items before it stay."""
        while not self.takes(state, state.state_stack[-1]) >= TOP_STATE:
            state.state_stack.pop()
            state.value_stack.pop()

    def close_blocks(self, error: Any) -> None:
        """Finish the statement and all blocks that are open."""
        if "SEMICOLON" in error.interactive_parser.accepts():
            self.feed(error, "SEMICOLON", ";")
        while "RBRACE" in error.interactive_parser.accepts():
            self.feed(error, "RBRACE", "}")

    def feed(self, error: Any, kind: str, text: str) -> None:
        error.interactive_parser.feed_token(self.token(kind, text, *self.spot(error)))

    def spot(self, error: Any) -> tuple[int, int, int]:
        counter = error.interactive_parser.lexer_thread.state.line_ctr
        return counter.char_pos, counter.line, counter.column

    def read_again(self, error: Any) -> bool:
        """Have the unexpected word read again, now that the parser stands elsewhere."""
        token = getattr(error, "token", None)
        if token is not None:
            self.move_to(error, token.start_pos)
        return True

    def pass_over(self, error: Any, in_block: bool, offset: int, extra: int) -> bool:
        """Leave the broken statement or item; False at the end of the text."""
        state = error.interactive_parser.parser_state
        if not in_block:
            self.to_top(state)
            found = NEXT_ITEM.search(self.text, offset + extra)
            self.move_to(error, found.end() if found is not None else len(self.text))
            return True
        while not self.takes(state, state.state_stack[-1]) >= STATEMENT_STATE:
            state.state_stack.pop()
            state.value_stack.pop()
        before = STARTED.search(self.text[:offset])
        statement = WORD.search(before.group()) if before is not None else None
        keeps_block = statement is None or statement.group() != "switch"
        end, block = self.end_of_statement(offset + extra, keeps_block)
        self.move_to(error, end)
        if block:
            self.feed(error, "IF", "if")
            self.feed(error, "NUMBER", "1")
        else:
            self.feed(error, "SEMICOLON", ";")
        return True

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

    def move_to(self, error: Any, offset: int) -> None:
        """Set the lexer to an offset of the text."""
        counter = error.interactive_parser.lexer_thread.state.line_ctr
        counter.char_pos = offset
        counter.line = self.text.count("\n", 0, offset) + 1
        counter.line_start_pos = self.text.rfind("\n", 0, offset) + 1
        counter.column = offset - counter.line_start_pos + 1

    def close_everything(self, error: Any) -> bool:
        """The text ended inside something: say what is open, and close it."""
        opened = self.open_brace(len(self.text))
        if opened >= 0:
            self.complain("this block never ends", "add the missing '}'", opened, 1)
        else:
            self.complain("the file ends in the middle of something", "", len(self.text.rstrip()), 1)
        self.close_blocks(error)
        return "$END" in error.interactive_parser.accepts()

    def open_brace(self, end: int) -> int:
        """The offset of the innermost `{` before `end` that nothing closes; -1 if there is none."""
        opened = []
        for edge in EDGE.finditer(self.text, 0, end):
            if edge.group() == "{":
                opened.append(edge.start())
            elif edge.group() == "}" and opened:
                opened.pop()
        return opened[-1] if opened else -1


def starts_statement(word: str) -> bool:
    """Whether a statement can start with this word."""
    return WORD.match(word) is not None or word.startswith("$")


def shortened(word: str) -> str:
    """A word of the script for a message."""
    line = word.split("\n", 1)[0]
    return f"'{line[:30]}…'" if len(line) > 30 or line != word else f"'{word}'"
