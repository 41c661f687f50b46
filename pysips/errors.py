"""The family of errors. Each knows the exit code or the SIP status that it stands for."""

from dataclasses import dataclass


class PysipsError(Exception):
    """Any failure that PySIPS itself reports."""

    exit_code = 255


class ModuleError(PysipsError):
    """A module cannot do its work: a bad parameter, a missing library, an address that it cannot have."""


class BadName(PysipsError):
    """A variable, transformation or argument that cannot be bound; said at load, with the place in the script."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a script: file, line and columns, all counted from 1."""

    file: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong with a script, and how to mend it."""

    place: Place
    message: str
    cure: str = ""
    source: str = ""


class ConfigError(PysipsError):
    """Everything that is wrong with a script, all of it at once."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__(f"{len(complaints)} errors")
        self.complaints = complaints


class SipError(PysipsError):
    """A message that cannot be read or must be refused, with the status to answer (RFC 3261 section 21)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
