"""Calls through a network that loses packets, delays and reorders them: all succeed, by retransmission alone."""

import json
import os
from collections.abc import Callable, Iterator

import pytest

from tests.live import Server

from .conftest import CALLS
from .lossy import NETWORK, LossyNetwork, Weather
from .sipp import Sipp

pytestmark = [
    pytest.mark.show, pytest.mark.needs("sipp"), pytest.mark.needs("ip"), pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]  # fmt: skip

SERVER, CALLER, CALLEE = (f"{NETWORK}.{number}" for number in (1, 2, 3))
# Who gives up after 5 s has repeated itself 4 times by then: of 24,000 transactions, two meet that much bad luck. Nor
# are 5 s enough to know a BYE again whose answer was lost as often (timer J of RFC 3261 has 32 s).
TIMES = {"fr_timeout": 30, "wt_timer": 32}
SCRIPT = (
    CALLS.replace("127.0.0.1:5070", f"{CALLEE}:5070")
    .replace("127.0.0.1", SERVER)
    .replace(
        'modparam("tm", "fr_timeout", 5)',
        "\n".join(f'modparam("tm", "{name}", {value})' for name, value in TIMES.items()),
    )
)
CALLS_MADE = 12_000
PATIENT = ("-max_retrans", "10", "-max_invite_retrans", "10")


@pytest.fixture
def network() -> Iterator[LossyNetwork]:
    made = LossyNetwork("server", "caller", "callee")
    yield made
    made.close()


@pytest.mark.parametrize(
    "weather",
    [Weather(loss=0.05), Weather(loss=0.05, delay=0.03, jitter=0.005, overtaking=0.25)],
    ids=["5 % lost", "5 % lost, 30 ms, reordered"],
)
def test_no_call_fails_for_lost_packets(
    network: LossyNetwork, serve: Callable[..., Server], sipp: Callable[..., Sipp], weather: Weather
) -> None:
    with network.at("server"):
        server = serve(SCRIPT)
    network.weather = weather
    there = f"{SERVER}:5060"
    with network.at("callee"):
        callee = sipp("patient_uas", 5070, server=there, host=CALLEE, extra=PATIENT)
    with network.at("caller"):
        caller = sipp(
            "patient_uac", 5080, server=there, host=CALLER, rate=200, calls=CALLS_MADE, users=("relay;",),
            extra=("-d", "100", *PATIENT),
        )  # fmt: skip
    load = caller.wait(200)
    figures: dict[str, int] = server.mi("get_statistics", {"statistics": ["tm:"]})
    print(f"caller: {load.ok} well, {load.failed} failed, {load.retransmissions} retransmissions, in {load.elapsed} s")
    print(f"network: {network.carried} packets, {network.lost} lost, {network.overtook} overtook others")
    print(f"server: {json.dumps(figures)}")
    assert (load.ok, load.failed) == (CALLS_MADE, 0), load.errors
    assert callee.load().failed == 0, callee.load().errors
    assert 0.04 < network.lost / network.carried < 0.06
    assert figures["tm:2xx_transactions"] == 2 * CALLS_MADE
    assert [figures[f"tm:{kind}xx_transactions"] for kind in (3, 4, 5, 6)] == [0, 0, 0, 0]
    assert figures["tm:timeout_finalresponse"] == figures["tm:timeout_finalresponse_inv"] == 0
    assert figures["tm:retransmission_req_T1_1"] > 0
