"""What the command line says besides the script (OpenSIPS' letters and PySIPS' own)."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Inherited:
    """What a server has from the one whose process it was before a restart (`runtime/restart.py`).

    tag_prefix, secret: `Program`'s; branch_flags: the bits of their names, as kept contacts have them.
    """

    tag_prefix: str
    secret: bytes
    branch_flags: dict[str, int]


@dataclass
class Options:
    """One run's wishes. None, empty or 0 means: as the script says, or as by default.

    file: the script's path, "-" for standard input; values: `-o name=value`, the script's `$argv(name)`
    (`pysips_workers` is ours); listeners: `-l proto:host[:port]`, added to the script's sockets; advertised:
    `-A`; workers_udp, workers_tcp: `-n`, `-N`; user, group: names or numbers to become after binding; work_folder,
    root_folder: `-w`, `-t`; pid_file, group_file: `-P`, `-G`; preprocessor: `-p`, a command that the script is
    piped through; to_stderr: `-E`, log to standard error whatever the script says; debug: `-D`, debug mode, as
    the script's debug_mode=1; more_verbose: how many times `-d`; check_via, use_dns, reverse_dns: `-v -r -R`;
    inherited: nothing that is typed: of a server that restarted itself.
    """

    file: str
    values: dict[str, str] = field(default_factory=dict)
    listeners: list[str] = field(default_factory=list)
    advertised: str = ""
    workers_udp: int | None = None
    workers_tcp: int | None = None
    user: str = ""
    group: str = ""
    work_folder: str = ""
    root_folder: str = ""
    pid_file: str = ""
    group_file: str = ""
    preprocessor: str = ""
    to_stderr: bool = False
    debug: bool = False
    more_verbose: int = 0
    daemon: bool = False
    check_via: bool = False
    use_dns: bool = False
    reverse_dns: bool = False
    inherited: Inherited | None = None
