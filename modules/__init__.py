"""What OpenSIPS calls modules: a file or folder each. `__path__` is the search path; scripts add to it by `mpath`."""
