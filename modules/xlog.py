"""xlog: a name that scripts of 1.x and 2.x load; xlog() and xdbg() are the core's (OpenSIPS manual: core functions)."""

from pysips.core.exports import Module


class Xlog(Module):
    """It has nothing of its own: its parameters are noted in core/ignored.py."""
