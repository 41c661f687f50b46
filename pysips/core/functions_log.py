"""Core functions that write to the log (OpenSIPS manual: xlog, log; script-language reference: Logging)."""

from typing import Annotated, Final

from pysips.script.support import TRACE
from pysips.script.values import printed

from .context import Context
from .exports import Format, Module, NoExpand, Static, function
from .log import ALERT, CRIT, DBG, ERR, INFO, NOTICE, WARN, log

# The third letter of the level's name decides: L_ERR, L_ERROR and LOG_ERR would all do.
LEVELS: Final = {"A": ALERT, "C": CRIT, "E": ERR, "W": WARN, "N": NOTICE, "I": INFO, "D": DBG}
NUMBERS: Final = {str(number): number for number in range(ALERT, DBG + 1)}
DEFAULT_BUFFER: Final = 4096

Text = Annotated[str, NoExpand]


class LogFunctions(Module):
    """Part of the core module; see functions.py. print_level and buffer_size are globals of the script."""

    print_level: int = NOTICE
    buffer_size: int = DEFAULT_BUFFER

    @function("xlog")
    def xlog(self, ctx: Context, level: Format, text: Format | None = None) -> int:
        """`xlog("text")` or `xlog("L_ERR", "text")`: write a line, if the script's log level lets it through."""
        if text is None:
            return self.say(self.print_level, level, ctx)
        word = level(ctx)
        number = LEVELS.get(word[2:3])
        if number is None:
            number = NUMBERS.get(word)
        if number is None:
            log.error("core:xlog", f'unknown level "{word}": L_ALERT, L_CRIT, L_ERR, L_WARN, L_NOTICE, L_INFO or L_DBG')
            return -1
        return self.say(number, text, ctx)

    @function("xdbg")
    def xdbg(self, ctx: Context, text: Format) -> int:
        """Write a line of level L_DBG."""
        return self.say(DBG, text, ctx)

    def say(self, level: int, text: Format, ctx: Context) -> int:
        """See xlog. Nothing is printed, no variable read, for a level that is not written."""
        if level > log.script_level:
            return 1
        line = text(ctx)
        if len(line) > self.buffer_size:
            log.error("core:xlog", f"the text has {len(line)} characters, more than xlog_buf_size={self.buffer_size}")
            return -1
        log.script(level, line)
        return 1

    @function("log")
    def log(
        self, ctx: Context, level: Annotated[int | str, NoExpand], text: Annotated[str | None, NoExpand] = None
    ) -> int:
        """`log("text")` or `log(2, "text")`: write a line as it stands, under log_level."""
        if text is None:
            log.raw(DBG, str(level))
        elif isinstance(level, int):
            log.raw(level, text)
        else:
            return -1
        return 1

    @function("error")
    def error(self, ctx: Context, facility: Text, text: Text) -> int:
        """OpenSIPS has the word, and says of it that it is not implemented."""
        log.error("core:error", f"error(): {facility}: {text}")
        return 1

    @function("script_trace")
    def script_trace(
        self,
        ctx: Context,
        level: int | None = None,
        text: Format | None = None,
        info: Annotated[str | None, Static] = None,
    ) -> int:
        """`script_trace(level, "format", "info")`: tell each statement of this run; without arguments no more."""
        if level is None:
            ctx.note(TRACE, None)
            return 1
        if text is None:
            log.error("core:script_trace", "a format is needed after the level")
            return -1
        ctx.note(TRACE, (level, text, info))
        return 1

    @function("avp_print")
    def avp_print(self, ctx: Context) -> int:
        """Write all AVPs to the log, at level INFO."""
        for name, values in ctx.avps.items():
            for value in reversed(values):
                log.info("core:avp_print", f"$avp({name}) = {printed(value)}")
        return 1
