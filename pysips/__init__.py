"""PySIPS: a SIP proxy, registrar and user-location cluster that runs OpenSIPS configurations."""

__version__ = "0.1.0"
