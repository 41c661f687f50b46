"""textops: search and replace in a message's text by regular expressions (OpenSIPS manual: textops).

Facts:
- functions without `body` in their names work on everything behind the first line, `search` on all of it;
- expressions are POSIX, case does not count, `^` and `$` stand for the ends of lines; `subst` and its kin say the
  case and lines by flags, and have variables and `\\1` in their replacement;
- all see the message as it came; what they change appears when it is sent, and Content-Length follows.
"""

from typing import Annotated

from pysips.core.context import Context
from pysips.core.exports import By, Found, Module, NoExpand, Regex, Route, function
from pysips.core.head_edits import settle_length
from pysips.core.log import log
from pysips.core.transform_formats import Substitution
from pysips.errors import SipError
from pysips.sip.rewrite import is_one_line
from pysips.sip.uri import parse_uri

ALL = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH | Route.LOCAL
NOT_LOCAL = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH

Expression = Annotated[Substitution, NoExpand, By("substitution")]


class TextOps(Module):
    def substitution(self, text: str) -> Substitution:
        """`/expression/replacement/flags` compiled; raises ValueError or BadName."""
        return Substitution(text, lambda variable: self.bound(variable).get)

    # -- looking

    @function("search", routes=ALL)
    def search(self, ctx: Context, expression: Regex) -> int:
        """Whether the message matches."""
        return 1 if expression.matches(ctx.message.text) else -1

    @function("search_body", routes=ALL)
    def search_body(self, ctx: Context, expression: Regex) -> int:
        """Whether the body matches."""
        return 1 if expression.matches(ctx.message.body()) else -1

    # -- plain replacements

    @function("search_append", routes=ALL)
    def search_append(self, ctx: Context, expression: Regex, text: str) -> int:
        """Put text behind the first match."""
        return append(ctx, expression, text, ctx.message.starts[1])

    @function("search_append_body", routes=ALL)
    def search_append_body(self, ctx: Context, expression: Regex, text: str) -> int:
        """Put text behind the first match in the body."""
        return append(ctx, expression, text, ctx.message.body_at)

    @function("replace", routes=ALL)
    def replace(self, ctx: Context, expression: Regex, text: str) -> int:
        """Put text in the place of the first match."""
        return replace(ctx, expression, text, ctx.message.starts[1], once=True)

    @function("replace_body", routes=ALL)
    def replace_body(self, ctx: Context, expression: Regex, text: str) -> int:
        """Put text in the place of the first match in the body."""
        return replace(ctx, expression, text, ctx.message.body_at, once=True)

    @function("replace_all", routes=ALL)
    def replace_all(self, ctx: Context, expression: Regex, text: str) -> int:
        """Put text in the place of every match."""
        return replace(ctx, expression, text, ctx.message.starts[1], once=False)

    @function("replace_body_all", routes=ALL)
    def replace_body_all(self, ctx: Context, expression: Regex, text: str) -> int:
        """Put text in the place of every match in the body; `^` is the beginning of each line."""
        return replace(ctx, expression, text, ctx.message.body_at, once=False)

    @function("replace_body_atonce", routes=ALL)
    def replace_body_at_once(self, ctx: Context, expression: Regex, text: str) -> int:
        """Put text in the place of every match in the body; `^` is the beginning of the body."""
        return replace(ctx, expression.at_once(), text, ctx.message.body_at, once=False)

    # -- substitutions

    @function("subst", routes=ALL)
    def subst(self, ctx: Context, expression: Expression) -> int:
        """Replace by `/expression/replacement/flags`: i ignores case, g means every match, s takes lines as text."""
        return substitute(ctx, expression, ctx.message.starts[1])

    @function("subst_body", routes=ALL)
    def subst_body(self, ctx: Context, expression: Expression) -> int:
        """The same in the body."""
        return substitute(ctx, expression, ctx.message.body_at)

    @function("subst_uri", routes=NOT_LOCAL)
    def subst_uri(self, ctx: Context, expression: Expression) -> int:
        """The same in the Request-URI."""
        made = substituted(ctx, expression, ctx.request_uri())
        if made is None:
            return -1
        ctx.set_uri(made)
        return 1

    @function("subst_user", routes=NOT_LOCAL)
    def subst_user(self, ctx: Context, expression: Expression) -> int:
        """The same in the Request-URI's user."""
        try:
            uri = parse_uri(ctx.request_uri())
            made = substituted(ctx, expression, uri.user or "")
            if made is None:
                return -1
            ctx.set_uri(uri.with_user(made or None).text)
        except SipError:
            log.error("textops:subst_user", f"what would come out is no URI, or {ctx.request_uri()} is none")
            return -1
        return 1


def append(ctx: Context, expression: Regex, text: str, at: int) -> int:
    """Put text behind the first match from `at` on."""
    message = ctx.message
    found = expression.search(message.text[at:])
    if found is None:
        return -1
    ctx.edits.insert(at + found.end(), text)
    if at + found.end() >= message.body_at:
        settle_length(ctx)
    return 1


def replace(ctx: Context, expression: Regex, text: str, at: int, once: bool) -> int:
    """Put text in the place of the first match from `at` on, or of all."""
    found = matches(ctx, expression, at, once)
    return edit(ctx, [(at + one.start(), at + one.end(), text) for one in found])


def matches(ctx: Context, expression: Regex, at: int, once: bool) -> list[Found]:
    """The first match from `at` on, or all; none, and a line in the log, if one matches nothing at all."""
    found = []
    try:
        for one in expression.finditer(ctx.message.text[at:]):
            if one.start() == one.end():
                raise ValueError(f"the expression {expression.pattern} matches nothing at all")
            found.append(one)
            if once:
                break
    except ValueError as problem:
        log.error("textops:replace", str(problem))
        return []
    return found


def substitute(ctx: Context, expression: Substitution, at: int) -> int:
    """Replace the first match from `at` on, or all."""
    spans = []
    for found in matches(ctx, expression.expression, at, not expression.repeated):
        text = "".join([expression.shown(part, ctx, found) for part in expression.parts])
        spans.append((at + found.start(), at + found.end(), text))
    return edit(ctx, spans)


def edit(ctx: Context, spans: list[tuple[int, int, str]]) -> int:
    """Make these replacements: 1, or -1 if there are none."""
    for a, b, text in spans:
        ctx.edits.replace(a, b, text)
    if spans and spans[-1][1] > ctx.message.body_at:
        settle_length(ctx)
    return 1 if spans else -1


def substituted(ctx: Context, expression: Substitution, text: str) -> str | None:
    """What a substitution makes of a text for a URI; None without a match, or for more than one line."""
    if not expression.expression.matches(text):
        return None
    try:
        made = expression.applied(ctx, text)
    except ValueError:
        return None
    return made if made and is_one_line(made) and " " not in made else None
