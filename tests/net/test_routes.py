"""Which of our addresses the kernel would send from."""

from pysips.net.routes import Routes, ask_kernel
from pysips.testing.fakes import FakeClock


def test_the_kernel_says_which_address_sends() -> None:
    assert ask_kernel("127.0.0.1") == "127.0.0.1"
    assert ask_kernel("::1") == "::1"


def test_where_no_route_leads_there_is_none() -> None:
    for host in ("0:0:0:0:0:0:0:x", "fe80::1%nowhere"):
        assert ask_kernel(host) == ""


def test_an_answer_is_kept_for_a_second() -> None:
    time = FakeClock()
    routes = Routes(time)
    routes.own_address("127.0.0.1")
    routes.kept["127.0.0.1"] = (routes.kept["127.0.0.1"][0], "10.0.0.1")
    assert routes.own_address("127.0.0.1") == "10.0.0.1"
    time.advance(1.1)
    assert routes.own_address("127.0.0.1") == "127.0.0.1"
