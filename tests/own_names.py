"""A resolver of one's own: what a thread starts has another /etc/resolv.conf, and a name server that the test keeps."""

import asyncio
import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tests.net.name_server import NameServer, Zone

CLONE_NEWNS: Final = 0x20000  # unshare(2)
MS_BIND: Final = 0x1000  # mount(2)
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
RESOLV_CONF: Final = b"/etc/resolv.conf"

T = TypeVar("T")


def with_resolv_conf(path: Path, work: Callable[[], T]) -> T:
    """Do work in a thread for which, and for what it starts, this file is /etc/resolv.conf (root). Raises OSError."""

    def there() -> T:
        libc = ctypes.CDLL(None, use_errno=True)
        if (
            libc.unshare(CLONE_NEWNS)
            or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            or libc.mount(os.fsencode(path), RESOLV_CONF, None, MS_BIND, None)
        ):
            number = ctypes.get_errno()
            raise OSError(number, f"no mount namespace: {os.strerror(number)}")
        return work()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(there).result()


@contextlib.contextmanager
def name_server(host: str, zone: Zone) -> Iterator[NameServer]:
    """A name server on port 53 of a loopback address, in a thread. Raises OSError."""
    loop = asyncio.new_event_loop()
    server = NameServer(zone)
    thread = threading.Thread(target=loop.run_forever)
    try:
        loop.run_until_complete(server.begin(host, 53))
        thread.start()
        yield server
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(server.end)
            loop.call_soon_threadsafe(loop.call_soon, loop.stop)
            thread.join(5)
        loop.close()
