"""Modules that only tests load: a script's `mpath` names this folder."""
