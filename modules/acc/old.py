"""Scripts of before OpenSIPS 2.2: message flags ask for accounting, and formats say what goes with it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from pysips.core.context import Context
from pysips.errors import BadName, ModuleError

from ..tm.api import Observer, Transaction

if TYPE_CHECKING:
    from . import Acc

ANSWERS: Final = 0
MISSED_CALLS: Final = 1
FAILURES: Final = 2


@final
class OldScript(Observer):
    """`log_flag`, `db_flag`, `log_extra`, `db_extra` and their kin; every transaction is watched if there are any."""

    def __init__(self, module: "Acc") -> None:
        self.module = module
        self.flags: list[tuple[int, int, int]] = []  # (what is asked for, in which kinds, the flag's bit)
        self.formats: list[tuple[str, str, str]] = []  # (parameter, name in the account, format)
        self.values: list[tuple[str, Callable[[Context], str]]] = []

    def add_formats(self, parameter: str, text: str) -> dict[str, str]:
        """`name=$variable;other=$variable`: name in the account → name it goes out with. Raises ValueError."""
        added = {}
        for item in text.split(";"):
            name, equal, format = item.partition("=")
            if not equal or not name.strip():
                raise ValueError(f'"{item}" is no "name=$variable"')
            kept = f"{parameter}:{name.strip()}"
            added[kept] = name.strip()
            self.formats.append((parameter, kept, format.strip()))
        return added

    def configure(self) -> None:
        """Raises ModuleError for a format that makes no sense."""
        for parameter, name, format in self.formats:
            try:
                self.values.append((name, self.module.formatted(format)))
            except BadName as problem:
                raise ModuleError(f"{parameter}: {problem}") from None
        if self.flags:
            self.module.tm.watch_all(self)

    def asked(self, flags: int) -> tuple[int, int, int]:
        """The kinds in which the flags of a message ask for answers, missed calls and failures."""
        kinds = [0, 0, 0]
        for what, bits, mask in self.flags:
            if flags & mask:
                kinds[what] |= bits
        return kinds[ANSWERS], kinds[MISSED_CALLS], kinds[FAILURES]

    def missed_flags(self) -> int:
        """The flags that ask for missed calls."""
        found = 0
        for what, _, mask in self.flags:
            found |= mask if what == MISSED_CALLS else 0
        return found

    def created(self, transaction: Transaction, ctx: Context) -> None:
        account = self.module.watched(ctx)
        account.extras.update({name: show(ctx) for name, show in self.values})
