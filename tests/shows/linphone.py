"""linphonec, Linphone without a window: it registers by digest with MD5 or SHA-256, and says what it does in a log."""

import subprocess
from pathlib import Path

from tests.live import PASSWORD, until

CONFIG = """
[sip]
sip_port={port}
sip_tcp_port=0
sip_tls_port=0
default_proxy=0
[auth_info_0]
username={user}
passwd={password}
domain={domain}
[proxy_0]
reg_proxy=<sip:{server}>
reg_identity=<sip:{user}@{server}>
reg_expires={every}
reg_sendregister=1
publish=0
"""
REGISTERED = "to [LinphoneRegistrationOk]"
CLEARED = "to [LinphoneRegistrationCleared]"


class Linphone:
    """One phone. every: seconds after which it registers again (it does at nine tenths of them).

    Where there is no way out but the loopback it takes itself for offline after 5 s.
    """

    def __init__(
        self, folder: Path, user: str, port: int, server: str = "127.0.0.1:5060", password: str = PASSWORD,
        every: int = 60,
    ) -> None:  # fmt: skip
        self.folder = folder / f"linphone-{user}"
        (self.folder / ".local/share/linphone").mkdir(parents=True)
        config, self.log = self.folder / "linphonerc", self.folder / "log"
        values = {"user": user, "port": port, "server": server, "password": password, "every": every}
        config.write_text(CONFIG.format(**values, domain=server.rpartition(":")[0]), "utf-8")
        self.process = subprocess.Popen(
            ["linphonec", "-c", str(config), "-d", "5", "-l", str(self.log)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip

    def said(self, what: str) -> int:
        """How many times its log says something."""
        return self.log.read_text("utf-8", "replace").count(what) if self.log.exists() else 0

    def registered(self, times: int = 1, seconds: float = 15) -> "Linphone":
        """Wait until the server has accepted it so many times, and it knows."""
        until(lambda: self.said(REGISTERED) >= times, seconds, "linphone's registration")
        return self

    def unregister(self) -> None:
        """Take its contact back, and wait until it knows that this was done."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"unregister\n")
        self.process.stdin.flush()
        until(lambda: self.said(CLEARED), 15, "the end of linphone's registration")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
