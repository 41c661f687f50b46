"""The command line: `pysips -f FILE` with OpenSIPS' letters, and subcommands with names."""

from .main import main as main
