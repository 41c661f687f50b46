"""A server whose root folder is another one (`chroot`, -t): what has to be in it, and that it works then. Root."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import ROOT

from .conftest import Running

pytestmark = [
    pytest.mark.scenario, pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the root folder"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="without unshare the mounts would stay"),
]  # fmt: skip
PLACES = ("/usr", "/lib", "/lib64", "/etc", "/dev", sys.base_prefix, str(ROOT), sys.prefix)
MOUNTS = """
set -e
[ "$(readlink /proc/self/ns/mnt)" != "$1" ]
jail=$2; shift 2
while [ "$1" != -- ]; do mkdir -p "$jail$1"; mount --rbind "$1" "$jail$1"; shift; done
shift; exec "$@"
"""


class Jailed(Running):
    """A server in a mount namespace of its own, with what it needs in its root folder."""

    def __init__(self, folder: Path, *arguments: str, head: str = "") -> None:
        self.jail = folder / "jail"
        self.jail.mkdir()
        super().__init__(folder, head, list(arguments))
        self.environment["XDG_RUNTIME_DIR"] = "/run"

    def start(self, wait: bool = True) -> None:
        outer = [one for one in PLACES if not any(one.startswith(other + "/") for other in PLACES)]
        there = [one for one in dict.fromkeys(outer) if Path(one).is_dir()]
        words = [
            "unshare", "-m", "--propagation", "private", "sh", "-c", MOUNTS, "sh", os.readlink("/proc/self/ns/mnt"),
            str(self.jail), *there, "--", sys.executable, "-m", "pysips",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*words, "-f", str(self.script), "-o", "pysips_workers=2", *self.arguments],
                stderr=log, stdout=log, env=self.environment, start_new_session=True, cwd=ROOT,
            )  # fmt: skip
        self.until(lambda: "processes: supervisor" in self.said() or self.process.poll() is not None, 20)
        assert self.process.poll() is None, self.said()


@pytest.mark.parametrize("how", ["option", "global"])
def test_it_works_in_a_folder_that_has_python_in_it(tmp_path: Path, how: str) -> None:
    jail = tmp_path / "jail"
    option = ["-t", str(jail)] if how == "option" else []
    one = Jailed(tmp_path, *option, head="" if option else f'chroot="{jail}"')
    try:
        one.start()
        assert {os.readlink(f"/proc/{pid}/root") for pid in (one.supervisor(), *one.children())} == {str(jail)}
        assert all(one.ask() for _ in range(10))
        with one.dial() as connection:
            assert one.ask_over(connection)
        os.kill(one.workers()[0], signal.SIGKILL)
        one.until(lambda: "it is replaced" in one.said() and all(one.ask() for _ in range(10)))
        assert len(one.children()) == 3
        assert [path.name for path in jail.glob("run/**/tables")] == ["tables"], "what the server keeps is inside"
        assert one.stop() == 0
        assert "Traceback" not in one.said()
        assert list(jail.glob("run/**/tables")) == []
    finally:
        one.end()


def test_a_folder_without_python_is_refused_by_name(tmp_path: Path) -> None:
    script = tmp_path / "opensips.cfg"
    script.write_text('socket=udp:127.0.0.1:15099\nloadmodule "proto_udp.so"\nroute { exit; }\n')
    (tmp_path / "jail").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pysips", "-f", str(script), "-t", str(tmp_path / "jail")],
        capture_output=True, text=True, timeout=30, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 255
    assert f"{tmp_path / 'jail'} cannot be the root folder (chroot)" in done.stderr
    assert os.path.dirname(os.__file__) in done.stderr
    assert list((tmp_path / "jail").iterdir()) == []
