"""The core, declared like a module: functions, variables and transformations that need no loadmodule.

The functions stand in the functions_*.py beside this file, by idea (OpenSIPS manual: core functions, core variables,
transformations).
"""

from pysips.script.catalogue import TransformSpec, VariableSpec

from .functions_blacklists import BlacklistFunctions
from .functions_branches import BranchFunctions
from .functions_cache import CacheFunctions
from .functions_flags import FlagFunctions
from .functions_log import LogFunctions
from .functions_sending import SendingFunctions
from .functions_uri import UriFunctions
from .functions_values import ValueFunctions
from .transforms import transforms
from .variables import variables


class Core(
    UriFunctions, FlagFunctions, BranchFunctions, SendingFunctions, BlacklistFunctions, ValueFunctions, LogFunctions,
    CacheFunctions,
):  # fmt: skip
    """See the file's head."""

    def configure(self) -> None:
        known = self.program.config.globals
        self.print_level = int(known["xlog_print_level"] or 0) or self.print_level
        self.buffer_size = int(known["xlog_buf_size"] or 0)

    def variables(self) -> list[VariableSpec]:
        return variables(self.services)

    def transforms(self) -> list[TransformSpec]:
        return transforms()
