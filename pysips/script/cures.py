"""What to say of a word that the grammar did not expect, and how it might be mended."""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Final

from .source import STATEMENT_END, Source

STATEMENT_STARTS: Final = frozenset({"IF", "WHILE", "SWITCH", "SEMICOLON"})  # a parser between statements takes these
STRING: Final = re.compile(r""""(?:[^"\\]|\\[\s\S])*"|'[^']*'""")
WORD: Final = re.compile(r"[A-Za-z_]\w*")
SIGNS: Final = ("==", "!=", "=~", "!~", "<=", ">=", "<", ">")
RETURNING: Final = re.compile(r"\breturn\b[^;{}]*\Z")
TEMPLATE: Final = re.compile(r"\$\{|<%|\{\{|\{%|\bifelse\(|\bdefine\(")
# What stood left of a comparison in OpenSIPS 1.x, and what stands there now.
OPERANDS: Final = {
    "uri": '$ru, or is_myself("$rd")',
    "from_uri": '$fu, or is_myself("$fd")',
    "to_uri": '$tu, or is_myself("$td")',
    "method": '$rm, or is_method("INVITE")',
    "status": '$rs, or t_check_status("4[0-9][0-9]")',
    "src_ip": "$si",
    "src_port": "$sp",
    "dst_ip": "$socket_in(ip)",
    "dst_port": "$socket_in(port)",
    "proto": "$socket_in(proto)",
    "af": "$socket_in(af)",
    "retcode": "$rc",
    "msg": "$ml for msg:len",
}
OPERAND: Final = re.compile(rf"(?<![\w$])({'|'.join(OPERANDS)})\s*\Z")


@dataclass(frozen=True, slots=True)
class Unexpected:
    """One unexpected word: where it stands, and the names of the terminals that could stand there."""

    source: Source
    offset: int
    word: str
    accepted: Set[str]
    in_block: bool

    @property
    def before(self) -> str:
        """The text up to the word, without blanks at its end."""
        return self.source.text[: self.offset].rstrip()

    @property
    def line(self) -> str:
        """The line that the word stands in."""
        text = self.source.text
        return text[text.rfind("\n", 0, self.offset) + 1 :].split("\n", 1)[0]


def cure_of(mistake: Unexpected) -> str:
    """The likeliest cure; empty if there is no telling."""
    if not mistake.in_block:
        return by_string(mistake) or at_top(mistake)
    return by_string(mistake) or by_word(mistake) or by_accepted(mistake)


def by_word(mistake: Unexpected) -> str:
    """What the word itself suggests, inside a block."""
    word, before, accepted = mistake.word, mistake.before, mistake.accepted
    if word == "{" and "SEMICOLON" in accepted:
        if before[-1:] == ")":
            return "a block belongs to if, else, while, for or switch; a transformation reads $(name{class.name})"
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
    return by_comparison(mistake)


def by_comparison(mistake: Unexpected) -> str:
    """Comparisons, and what they were in OpenSIPS 1.x."""
    operand = OPERAND.search(mistake.before)
    if operand is not None and mistake.word.startswith((*SIGNS, ":")):
        return f"{operand.group(1)} is OpenSIPS 1.x: write {OPERANDS[operand.group(1)]}"
    if mistake.word == "myself":
        return 'myself is OpenSIPS 1.x: write is_myself("$rd")'
    compares = "COMPARE" in mistake.accepted or "ASSIGN" not in mistake.accepted
    if compares and (mistake.word.startswith(SIGNS) or mistake.before.endswith(SIGNS)):
        return "a comparison has a variable on its left, a variable, string, number or NULL on its right"
    return ""


def by_accepted(mistake: Unexpected) -> str:
    """What could stand there suggests, inside a block."""
    word, accepted = mistake.word, mistake.accepted
    if "ROUTE_NAME" in accepted:
        return "a route needs a name in brackets: route(NAME)"
    if accepted == {"LPAR"}:
        return "missing '('?"
    if RETURNING.search(mistake.before) is not None:
        return "return takes numbers and variables: return(5) or return($var(x))"
    if "ASSIGN" in accepted and "COMPARE" not in accepted:
        return "a variable alone is no statement: an assignment reads $var(x) = value"
    if "_NOT" in accepted:
        return "a condition is made of comparisons, variables, numbers and calls"
    if accepted >= STATEMENT_STARTS:
        return "a statement is a call, an assignment, if, while, for, switch, exit, drop or return"
    if "RPAR" in accepted and "COMMA" in accepted:
        return "missing ',' or ')'? arguments are strings, numbers and variables"
    if accepted >= {"VARIABLE", "STRING"}:
        return "a value is missing: a number, a string, a variable or a call"
    if accepted == {"SEMICOLON"} and word[:1] == "=":
        return "only variables are assigned to"
    return "missing ';'?" if "SEMICOLON" in accepted else ""


def at_top(mistake: Unexpected) -> str:
    """Outside of all blocks the line tells what was meant."""
    line, word = mistake.line, mistake.word
    if TEMPLATE.search(line) is not None:
        return "this is a template: fill it in before, or with a preprocessor: -p envsubst, -p m4"
    if re.match(r"\s*(?:\w+_)?route\b", line) and (mistake.accepted & {"ROUTE_NAME", "RSQB"} or word == "("):
        return "a route needs a name in brackets: route[NAME] { … }"
    if re.match(r"\s*loadmodule\b", line):
        return 'loadmodule takes one quoted name: loadmodule "tm.so"'
    if re.match(r"\s*modparam\b", line):
        return 'it reads modparam("module", "name", value)'
    if word == "}":
        return "a '}' too many?"
    if "=" in line and WORD.match(line.strip()) is not None:
        return "a setting reads NAME = value: has the one before none?"
    return "statements stand inside a route: route { … }" if WORD.match(word) is not None else ""


def by_string(mistake: Unexpected) -> str:
    """A string over several lines just before an error is often one whose quote was forgotten."""
    before = mistake.before
    strings = list(STRING.finditer(before))
    last = strings[-1] if strings else None
    if last is None or STATEMENT_END.match(last.group()) is None or before.count("\n", last.end()) > 1:
        return ""
    line = mistake.source.origin_of(before.count("\n", 0, last.start()) + 1)[1]
    return f"the string that starts in line {line} runs over several lines: a missing quote?"
