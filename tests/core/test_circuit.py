from pysips.core.circuit import Circuit


def test_a_closed_circuit_lets_everybody_through() -> None:
    circuit = Circuit(0.0)
    assert circuit.allows(0.0) and circuit.allows(0.0)
    assert not circuit.worked(1.0), "it was closed before"
    assert circuit.allows(1.0)


def test_one_failure_opens_it_and_nobody_asks_before_the_pause_is_over() -> None:
    circuit = Circuit(0.0, pause=2.0)
    assert circuit.failed(10.0)
    assert circuit.is_open and circuit.since == 10.0
    assert not circuit.allows(10.0)
    assert not circuit.allows(11.9)


def test_after_the_pause_one_probe_goes_through() -> None:
    circuit = Circuit(0.0, pause=2.0)
    circuit.failed(10.0)
    assert circuit.allows(12.0)
    assert not circuit.allows(12.0)
    assert not circuit.allows(13.9)


def test_a_probe_that_never_reports_is_followed_by_another() -> None:
    circuit = Circuit(0.0, pause=2.0)
    circuit.failed(10.0)
    assert circuit.allows(12.0)
    assert circuit.allows(14.0)


def test_a_probe_that_fails_keeps_it_open_for_another_pause() -> None:
    circuit = Circuit(0.0, pause=2.0)
    circuit.failed(10.0)
    assert circuit.allows(12.0)
    assert not circuit.failed(13.0), "it was open before"
    assert circuit.since == 10.0
    assert not circuit.allows(14.9)
    assert circuit.allows(15.0)


def test_a_probe_that_works_closes_it_and_says_so_once() -> None:
    circuit = Circuit(0.0, pause=2.0)
    circuit.failed(10.0)
    assert circuit.allows(12.0)
    assert circuit.worked(12.1)
    assert not circuit.worked(12.2)
    assert circuit.allows(12.2) and circuit.allows(12.2)
    assert circuit.since == 12.1
