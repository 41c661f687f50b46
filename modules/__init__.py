"""What OpenSIPS calls modules: one file or folder each. The search path is `__path__`; the script's `mpath` appends to it."""
