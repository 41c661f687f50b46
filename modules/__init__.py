"""What OpenSIPS calls modules: a file or folder each. `__path__` is the search path; the script's `mpath` appends to it."""
