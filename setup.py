"""The build: pyproject.toml says what the package is; here the hot files become one mypyc group where that can be.

PYSIPS_COMPILE=1 compiles or fails, =0 does not compile. Without it a wheel is compiled where a C compiler and Python's
headers are at hand, and one line says so if not; an editable install never is (stale binaries would hide edits).
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

# Same sources in both builds, written by the rules of CONTRIBUTING.md ("Hot files"). Never an __init__.py or a
# one-file module: a subclass of the interpreted Module with decorators compiles, and then fails at import.
HOT = """
sip/grammar sip/headers sip/text sip/scan sip/uri sip/via sip/address sip/message sip/edits sip/build
sip/transaction sip/limits sip/proven sip/plain sip/shapes sip/valid_values sip/validate sip/rewrite
sip/hops
core/flags core/services core/changes core/stats core/hooks core/branches core/context core/answer core/waiting
core/forward core/receive
runtime/clock runtime/wheel runtime/tables
net/udp net/network
modules/sl/api modules/sl/replies modules/signaling/answers
modules/rr/record modules/rr/loose
modules/tm/settings modules/tm/keys modules/tm/table modules/tm/runs modules/tm/forking modules/tm/acks
modules/tm/cancel modules/tm/choice modules/tm/serving modules/tm/replies modules/tm/requests
modules/usrloc/coding modules/usrloc/lines modules/usrloc/contacts modules/usrloc/matching modules/usrloc/events
modules/registrar/save modules/registrar/lookup modules/registrar/rules modules/registrar/asked modules/registrar/aor
modules/registrar/bindings modules/registrar/listing modules/registrar/methods
"""

NO_WHEEL = "not a wheel"

# Our functions call each other directly, and not by a table that other libraries could change: less code to fetch.
DIRECT_CALLS = ["-fvisibility=hidden", "-fno-semantic-interposition", "-fno-plt"] if sys.platform == "linux" else []


def hot_files() -> list[str]:
    return [f"pysips/{name}.py" for name in HOT.split()]


def why_not() -> str:
    """Why this build is plain Python; "" if it is compiled."""
    wish = os.environ.get("PYSIPS_COMPILE", "")
    if wish not in ("", "0", "1"):
        raise SystemExit(f"PYSIPS_COMPILE is 0 or 1, not {wish!r}")
    if wish:
        return "" if wish == "1" else "PYSIPS_COMPILE=0"
    if any(word in sys.argv for word in ("editable_wheel", "develop", "sdist", "egg_info", "dist_info")):
        return NO_WHEEL
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are missing (Debian: python3-dev)"
    return ""


def extensions() -> list[Extension]:
    reason = why_not()
    forced = os.environ.get("PYSIPS_COMPILE") == "1"
    made: list[Extension] = []
    if not reason:
        from mypyc.build import mypycify

        try:
            made = mypycify(hot_files(), group_name="pysips", opt_level="3")
        except SystemExit:  # how mypyc says that it will not
            if forced:
                raise
            reason = "mypyc refused the files, see above"
        for extension in made:
            extension.extra_compile_args += DIRECT_CALLS
            extension.optional = not forced
    if reason and reason != NO_WHEEL:
        print(f"pysips: a plain Python build, complete but slower: {reason}", file=sys.stderr)
    return made


setup(ext_modules=extensions())
