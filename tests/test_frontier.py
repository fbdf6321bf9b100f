"""The frontier, told what time it is: every rule alone, then all of them under a random crowd of events."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynccrawl.frontier import Flight, Frontier, Signal
from asynccrawl.models import Hop, Purpose, Record, Request
from asynccrawl.settings import HostLimits, RetryPolicy


def hop(host: str, ordinal: int = 0) -> Hop:
    record = Record(ordinal, ordinal + 1, f"{ordinal:09d}", None, Request(f"http://{host}/{ordinal}"), host)
    return Hop.first(record, 60.0)


def start_ready(frontier: Frontier, now: float) -> list[Flight]:
    return list(iter(lambda: frontier.next(now), None))


def ordinals(flights: list[Flight]) -> list[int]:
    return [flight.hop.record.ordinal for flight in flights]


def start(frontier: Frontier, now: float) -> Flight:
    flight = frontier.next(now)
    assert flight is not None
    return flight


def proven(limits: HostLimits, *hosts: str, now: float = 0.0, concurrency: int = 100, after: float = 0.0) -> Frontier:
    """A frontier whose `hosts` have answered `after` so long, and are kept known by a hop far in the future."""
    frontier = Frontier(limits, RetryPolicy(base=1.0), concurrency)
    for n, host in enumerate(hosts):
        frontier.put(hop(host, 10_000 + n), now, at=1e9)
        frontier.put(hop(host, 20_000 + n), now)
        frontier.finish(start(frontier, now), now + after, Signal.ANSWERED)
    return frontier


def test_a_host_never_has_more_than_its_limit_in_flight():
    frontier = proven(HostLimits(per_host=2), "a")
    for i in range(5):
        assert frontier.offer(hop("a", i), 0.0)
    first, second = start_ready(frontier, 0.0)
    assert ordinals([first, second]) == [0, 1]
    frontier.finish(first, 1.0, Signal.ANSWERED)
    assert ordinals(start_ready(frontier, 1.0)) == [2]


def test_until_it_was_heard_a_host_has_more_than_one_flight_only_if_nobody_else_wants_the_slots():
    frontier = Frontier(HostLimits(per_host=3))
    for i in range(5):
        frontier.offer(hop("a", i), 0.0)
    for i in range(5, 8):
        frontier.offer(hop(f"b{i}", i), 0.0)
    keys = [flight.key for flight in start_ready(frontier, 0.0)]
    assert sorted(keys[:4]) == ["a", "b5", "b6", "b7"] and keys[4:] == ["a", "a"]


def test_hosts_take_turns():
    frontier = proven(HostLimits(per_host=8), "a", "b")
    for i in range(3):
        frontier.offer(hop("a", i), 0.0)
    for i in range(3, 6):
        frontier.offer(hop("b", i), 0.0)
    assert [flight.key for flight in start_ready(frontier, 0.0)] == ["a", "b"] * 3


@pytest.mark.parametrize("limits", [HostLimits(gap=2.0), HostLimits(rate=0.5), HostLimits(rate=10.0, gap=2.0)])
def test_gap_and_rate_space_the_starts(limits: HostLimits):
    frontier = Frontier(limits)
    frontier.offer(hop("a", 0), 0.0)
    frontier.offer(hop("a", 1), 0.0)
    frontier.offer(hop("a", 2), 0.0)
    (first,) = start_ready(frontier, 0.0)
    frontier.finish(first, 0.1, Signal.ANSWERED)
    assert frontier.wake_at() == 2.1, "nobody knows when the first one has come to its host, but that it has now"
    assert frontier.next(2.099) is None
    second = start(frontier, 2.1)
    frontier.finish(second, 3.0, Signal.ANSWERED)
    assert frontier.next(4.099) is None and frontier.next(4.1) is not None, "from start to start then"


@pytest.mark.parametrize("signal", [None, Signal.SILENT, Signal.REFUSED, Signal.NONE])
def test_nothing_catches_up_with_a_first_request_that_is_long_on_its_way(signal: Signal | None):
    frontier = Frontier(HostLimits(gap=0.1, adaptive=False))
    for n in range(3):
        frontier.offer(hop("a", n), 0.0)
    first = start(frontier, 0.0)
    assert frontier.next(1.0) is None
    if signal is None:  # its answer has begun
        frontier.heard(first, 1.0)
    else:
        frontier.finish(first, 1.0, signal)
    assert frontier.next(1.099) is None and frontier.next(1.1) is not None


def test_a_host_whose_first_request_gets_nowhere_is_asked_all_the_same():
    frontier = Frontier(HostLimits(gap=0.5))
    for n in range(4):
        frontier.offer(hop("a", n), 0.0)
    assert start(frontier, 0.0) and frontier.next(2.4) is None
    assert start(frontier, 2.5) and start(frontier, 3.0) and start(frontier, 3.5)


def test_a_host_can_be_slowed_down_for_the_rest_of_the_run():
    frontier = Frontier(HostLimits(gap=1.0))
    frontier.slow_down("a", 5.0, -9.0)
    frontier.slow_down("a", 2.0, -9.0)  # another origin of the same key asks for less
    for begin in (0.0, 100.0):  # its state is dropped in between
        frontier.offer(hop("a", 0), begin)
        frontier.offer(hop("a", 1), begin)
        frontier.finish(start(frontier, begin), begin, Signal.ANSWERED)
        assert frontier.next(begin + 4.9) is None
        frontier.finish(start(frontier, begin + 5.0), begin + 5.0, Signal.ANSWERED)
        assert frontier.next(begin + 20.0) is None and frontier.hosts == 0


def test_a_host_that_is_slowed_down_rests_from_then_on():
    frontier = Frontier(HostLimits(gap=1.0))
    robots = replace(hop("a"), purpose=Purpose.ROBOTS)
    frontier.gate("a", 10.0)
    frontier.put(robots, 10.0)
    flight = start(frontier, 10.0)
    frontier.offer(hop("a", 1), 10.0)
    frontier.finish(flight, 12.0, Signal.ANSWERED)
    frontier.slow_down("a", 5.0, 12.5)
    frontier.ungate("a", 12.5)
    assert frontier.next(17.4) is None and frontier.wake_at() == 17.5
    assert frontier.next(17.5) is not None


def test_a_gap_outlives_the_idleness_of_its_host():
    frontier = Frontier(HostLimits(gap=10.0))
    frontier.offer(hop("a", 0), 0.0)
    frontier.finish(start(frontier, 0.0), 1.0, Signal.ANSWERED)
    assert frontier.idle and frontier.hosts == 1
    frontier.offer(hop("a", 1), 2.0)
    assert frontier.next(10.9) is None
    assert frontier.next(11.0)


def test_a_hold_stops_a_host_that_was_ready_and_outlives_its_idleness():
    frontier = Frontier(HostLimits())
    frontier.offer(hop("a"), 0.0)
    frontier.hold("a", 30.0, 0.0)
    frontier.hold("a", 20.0, 0.0)
    assert frontier.next(29.9) is None
    flight = start(frontier, 30.0)
    frontier.hold("a", 60.0, 31.0)
    frontier.finish(flight, 31.0, Signal.ANSWERED)
    frontier.offer(hop("a", 1), 32.0)
    assert frontier.next(59.0) is None
    assert frontier.next(60.0)


def test_what_an_answer_asks_for_is_kept_and_outlives_the_idleness_of_its_host():
    frontier = Frontier(HostLimits(), RetryPolicy(base=1000.0))
    frontier.offer(hop("a"), 0.0)
    frontier.finish(start(frontier, 0.0), 1.0, Signal.BUSY, asked=30.0)
    assert frontier.hosts == 1
    frontier.offer(hop("a", 1), 2.0)
    assert frontier.next(30.9) is None and frontier.next(31.0), "and not the back-off besides"


def test_the_state_of_an_idle_host_is_dropped():
    frontier = Frontier(HostLimits(gap=1.0))
    for i in range(100):
        frontier.offer(hop(f"h{i}", i), 0.0)
    for started in start_ready(frontier, 0.0):
        frontier.finish(started, 0.5, Signal.ANSWERED)
    assert frontier.hosts == 100
    assert frontier.next(1.5) is None
    assert frontier.hosts == 0 and frontier.wake_at() is None


def test_a_retry_waits_for_its_time_and_then_goes_first():
    frontier = Frontier(HostLimits(per_host=1))
    frontier.offer(hop("a", 0), 0.0)
    first = start(frontier, 0.0)
    frontier.finish(first, 0.0, Signal.BROKEN)
    frontier.put(first.hop, 0.0, at=5.0)
    for i in (1, 2):
        frontier.offer(hop("a", i), 0.0)
    second = start(frontier, 4.0)
    frontier.finish(second, 6.0, Signal.ANSWERED)
    third = start(frontier, 6.0)
    frontier.finish(third, 6.0, Signal.ANSWERED)
    assert ordinals([second, third, start(frontier, 6.0)]) == [1, 0, 2]


def test_a_redirect_goes_before_the_fresh_records_of_its_host():
    frontier = proven(HostLimits(), "a")
    frontier.offer(hop("a", 1), 0.0)
    frontier.put(hop("a", 0), 0.0)
    assert ordinals(start_ready(frontier, 0.0)) == [0, 1]


def test_overrides_hold_for_their_host_alone():
    frontier = proven(HostLimits(per_host=3, overrides={"slow": HostLimits(per_host=1)}), "slow", "fast")
    for i in range(5):
        frontier.offer(hop("slow", i), 0.0)
        frontier.offer(hop("fast", i + 5), 0.0)
    hosts = [flight.key for flight in start_ready(frontier, 0.0)]
    assert hosts.count("slow") == 1 and hosts.count("fast") == 3


def test_beyond_the_window_records_are_spilled_and_come_back_in_order():
    frontier = Frontier(HostLimits(per_host=1, window=4))
    accepted = [frontier.offer(hop("a", i), 0.0) for i in range(10)]
    assert accepted == [True] * 4 + [False] * 6
    assert frontier.refills() == []
    order = []
    for _ in range(10):
        flight = start(frontier, 0.0)
        order.append(flight.hop.record.ordinal)
        frontier.finish(flight, 0.0, Signal.ANSWERED)
        for wanted in frontier.refills():
            assert frontier.refills() == [], "a host is named once until it is answered"
            frontier.refill(wanted, [hop("a", wanted.after + 1 + i) for i in range(wanted.n)], 0.0)
    assert order == list(range(10))
    assert frontier.idle and frontier.hosts == 0


def test_a_refill_that_brings_less_forgets_the_rest():
    frontier = Frontier(HostLimits(per_host=1, window=2))
    for i in range(5):
        frontier.offer(hop("a", i), 0.0)
    for _ in range(2):
        frontier.finish(start(frontier, 0.0), 0.0, Signal.ANSWERED)
    (wanted,) = frontier.refills()
    assert (wanted.host, wanted.n) == ("a", 2)
    frontier.refill(wanted, [hop("a", 2)], 0.0)
    assert frontier.spilled == 1 and frontier.queued == 1


def test_too_many_hosts_leave_the_newest_to_the_backlog():
    frontier = Frontier(HostLimits(), max_hosts=2)
    assert frontier.offer(hop("a"), 0.0) and frontier.offer(hop("b", 1), 0.0)
    assert not frontier.offer(hop("c", 2), 0.0)
    assert frontier.hosts == 2 and frontier.spilled == 0


def test_a_closed_host_gives_its_hops_back():
    frontier = Frontier(HostLimits(per_host=1, window=2))
    for i in range(5):
        frontier.offer(hop("a", i), 0.0)
    started = start(frontier, 0.0)
    assert [h.record.ordinal for h in frontier.close("a")] == [1]
    assert frontier.closed("a") and not frontier.closed("b")
    assert frontier.next(0.0) is None
    frontier.finish(started, 1.0, Signal.ANSWERED)
    assert frontier.idle and frontier.hosts == 0
    frontier.reopen("a")
    assert not frontier.closed("a")


def test_clear_returns_all_that_has_not_started():
    frontier = Frontier(HostLimits(per_host=1))
    for i in range(3):
        frontier.offer(hop("a", i), 0.0)
    frontier.put(hop("b", 3), 0.0, at=9.0)
    frontier.next(0.0)
    assert sorted(h.record.ordinal for h in frontier.clear()) == [1, 2, 3]
    assert frontier.queued == 0 and frontier.in_flight == 1
    assert frontier.next(10.0) is None and frontier.hosts == 1


# --- adaptive concurrency


def in_flight_of(frontier: Frontier, now: float) -> int:
    """How many flights host `a` may have at `now`; they are taken back."""
    flights = start_ready(frontier, now)
    for flight in flights:
        frontier.withdraw(flight, now)
        frontier.put(flight.hop, now)
    return len(flights)


def busy_host(per_host: int = 8, **limits: object) -> Frontier:
    frontier = proven(HostLimits(per_host=per_host, **limits), "a")
    for i in range(50):
        frontier.put(hop("a", i), 0.0)
    return frontier


@pytest.mark.parametrize("signal", [Signal.BUSY, Signal.BROKEN, Signal.REFUSED])
def test_trouble_halves_what_a_host_gets_and_answers_bring_it_back_one_a_round(signal: Signal):
    frontier = busy_host()
    assert in_flight_of(frontier, 0.0) == 8
    frontier.finish(start(frontier, 1.0), 1.0, signal, asked=0.0)
    assert in_flight_of(frontier, 2.0) == 4
    for limit in (4, 5, 6, 7, 8, 8):
        assert in_flight_of(frontier, 3.0) == limit
        for _ in range(limit):
            frontier.finish(start(frontier, 3.0), 3.0, Signal.ANSWERED)


def test_one_burst_of_trouble_halves_once_and_the_limit_never_falls_below_one():
    frontier = busy_host()
    burst = start_ready(frontier, 1.0)
    for flight in burst:
        frontier.finish(flight, 2.0, Signal.BUSY, asked=0.0)
    assert len(burst) == 8 and in_flight_of(frontier, 3.0) == 4
    for now in (4.0, 5.0, 6.0, 7.0):
        frontier.finish(start(frontier, now), now, Signal.BUSY, asked=0.0)
    assert in_flight_of(frontier, 8.0) == 1


def test_without_adaptation_the_limit_stays():
    frontier = busy_host(adaptive=False)
    frontier.finish(start(frontier, 1.0), 1.0, Signal.BUSY, asked=0.0)
    assert in_flight_of(frontier, 2.0) == 8


def test_a_busy_answer_that_names_no_time_makes_the_host_rest_longer_and_longer():
    frontier = busy_host()
    now, rests = 0.0, []
    for _ in range(5):
        flight = start(frontier, now)
        frontier.finish(flight, now, Signal.BUSY)
        wake = frontier.wake_at()
        assert wake is not None and frontier.next(wake - 0.001) is None
        rests.append(wake - now)
        now = wake
    for n, rest in enumerate(rests):
        assert 0.5 * 2**n <= rest <= 2**n


# --- the circuit


def fail(frontier: Frontier, now: float, signal: Signal = Signal.SILENT) -> tuple[float, bool]:
    """Start the next hop as soon as it may, and let it fail; returns when, and whether the host is down."""
    flight = frontier.next(now)
    while flight is None:
        wake = frontier.wake_at()
        assert wake is not None
        now = wake
        flight = frontier.next(now)
    return now, frontier.finish(flight, now, signal)


def test_a_silent_host_rests_then_is_probed_ever_later_and_then_counts_as_down():
    frontier = Frontier(HostLimits(breaker=3, probes=3), RetryPolicy(base=1.0))
    for i in range(20):
        frontier.offer(hop("a", i), 0.0)
    moments = []
    down = False
    while not down:
        now, down = fail(frontier, moments[-1] if moments else 0.0)
        moments.append(now)
        assert len(moments) < 10
    assert moments[:3] == [0.0, 0.0, 0.0] and len(moments) == 6
    gaps = [later - sooner for sooner, later in pairwise(moments[2:])]
    assert all(0.5 * 2**n <= gap <= 2**n for n, gap in enumerate(gaps))


def test_while_the_circuit_is_open_there_is_one_probe_and_its_answer_closes_it():
    frontier = Frontier(HostLimits(breaker=2, probes=3, per_host=8), RetryPolicy(base=1.0))
    for i in range(40):
        frontier.offer(hop("a", i), 0.0)
    now = fail(frontier, fail(frontier, 0.0)[0])[0]
    wake = frontier.wake_at()
    assert wake is not None and wake > now
    (probe,) = start_ready(frontier, wake)
    frontier.finish(probe, wake, Signal.ANSWERED)
    assert len(start_ready(frontier, wake)) == 2, "it begins again with little"


def test_what_was_in_flight_when_the_circuit_opened_is_no_probe():
    frontier = proven(HostLimits(breaker=2, probes=1, per_host=8), "a")
    for i in range(8):
        frontier.offer(hop("a", i), 0.0)
    flights = start_ready(frontier, 0.0)
    assert [frontier.finish(flight, 5.0, Signal.SILENT) for flight in flights] == [False] * 8
    frontier.offer(hop("a", 9), 5.0)
    assert fail(frontier, 5.0)[1]


def test_a_host_that_only_says_busy_counts_as_down_in_the_end():
    frontier = Frontier(HostLimits(breaker=3, probes=2), RetryPolicy(base=0.0))
    for i in range(20):
        frontier.offer(hop("a", i), 0.0)
    ends = []
    while not (ends and ends[-1]):
        ends.append(fail(frontier, 0.0, Signal.BUSY)[1])
    assert len(ends) == 5


def test_a_retry_budget_is_earned_by_fresh_records():
    frontier = Frontier(HostLimits(), RetryPolicy(budget=0.5))
    frontier.put(hop("a", 99), 0.0, at=1e9)
    spent = 0
    while frontier.may_retry("a"):
        spent += 1
    assert spent == 10
    for i in range(4):
        frontier.offer(hop("a", i), 0.0)
        frontier.finish(start(frontier, 0.0), 0.0, Signal.ANSWERED)
    assert [frontier.may_retry("a") for _ in range(3)] == [True, True, False]


# --- proven, unknown, doubtful


def test_unknown_and_silent_hosts_leave_the_slots_to_proven_ones():
    frontier = proven(HostLimits(per_host=1000, window=2000), "good", concurrency=100)
    for i in range(500):
        frontier.offer(hop(f"dead{i}", i), 0.0)
    for i in range(500, 1500):
        frontier.offer(hop("good", i), 0.0)
    flights = [start(frontier, 0.0) for _ in range(100)]
    assert sum(flight.key != "good" for flight in flights) == 8
    for flight in flights:
        if flight.key == "good":
            frontier.heard(flight, 0.1)
    evicted = frontier.overstaying(2.1)
    assert len(evicted) == 6, "of the eight silent ones two may stay: so many slots the doubtful have"
    for flight in evicted:
        flights.remove(flight)
        frontier.finish(flight, 2.1, Signal.NONE)
        frontier.put(flight.hop, 2.1, 2.1, doubtful=True)
        flights.append(start(frontier, 2.1))
    for _ in range(1000):
        good = next(flight for flight in flights if flight.key == "good")
        flights.remove(good)
        frontier.finish(good, 2.2, Signal.ANSWERED)
        flights.append(start(frontier, 2.2))
        if flights[-1].key == "good":
            frontier.heard(flights[-1], 2.2)
        if frontier.queued <= 1200:
            break
    assert sum(flight.key != "good" for flight in flights) == 10, "two that keep silent, eight that are not known yet"


def test_other_hosts_are_tried_more_and_more_as_the_proven_run_out_of_work():
    frontier = proven(HostLimits(per_host=1000, window=2000), "good", concurrency=100)
    for i in range(500):
        frontier.offer(hop(f"dead{i}", i), 0.0)
    for i in range(500, 1000):
        frontier.offer(hop("good", i), 0.0)
    flights = [start(frontier, 0.0) for _ in range(100)]
    tried = []
    while frontier.queued > 500:
        good = next(flight for flight in flights if flight.key == "good")
        flights.remove(good)
        frontier.finish(good, 0.0, Signal.ANSWERED)
        flights.append(start(frontier, 0.0))
        tried.append(sum(flight.key != "good" for flight in flights))
    assert tried == sorted(tried) and tried[0] == 8 and 30 < tried[-1] < 50


def test_fewer_hosts_are_tried_while_many_are_proven_than_while_few_are():
    tried = {}
    for many in (1, 200):
        frontier = proven(HostLimits(per_host=1000, window=2000), *(f"good{i}" for i in range(many)), concurrency=100)
        for i in range(500):
            frontier.offer(hop(f"dead{i}", i), 0.0)
        for i in range(1000):
            frontier.offer(hop(f"good{i % many}", i), 0.0)
        tried[many] = sum(start(frontier, 0.0).key.startswith("dead") for _ in range(100))
    assert tried == {1: 8, 200: 5}


def test_a_few_hosts_tell_roughly_how_long_others_may_take():
    frontier = Frontier(HostLimits(per_host=1), concurrency=20)
    for i in range(60):
        frontier.offer(hop(f"h{i}", i), 0.0)
    flights = start_ready(frontier, 0.0)
    for flight in flights[:3]:
        frontier.finish(flight, 0.1, Signal.ANSWERED)
    assert not frontier.overstaying(1.9), "three tell nothing yet"
    frontier.finish(flights[3], 0.1, Signal.ANSWERED)
    assert not frontier.overstaying(0.29)
    assert len(frontier.overstaying(0.31)) == 15, "one of the silent may stay"


def beside_good_hosts(answers_until: float) -> tuple[Frontier, list[Flight]]:
    """Forty flights that began at 10.0, three of them on unknown hosts; the others are answered, one by one, from 10.02
    to that moment. Returns those that have not been, too.
    """
    good = [f"good{i}" for i in range(30)]
    frontier = proven(HostLimits(per_host=1000, window=2000), *good, now=9.9, concurrency=40, after=0.1)
    for i in range(1000):
        frontier.offer(hop(good[i % 30], i), 10.0)
        frontier.offer(hop(f"unknown{i}", 1000 + i), 10.0)
    flights = [start(frontier, 10.0) for _ in range(40)]
    answering = [flight for flight in flights if flight.key.startswith("good")]
    assert len(answering) == 37
    times = [10.02 + 0.005 * number for number in range(37)]
    for flight, now in zip(answering, times, strict=True):
        if now < answers_until:
            frontier.heard(flight, now)
    return frontier, [flight for flight, now in zip(answering, times, strict=True) if now >= answers_until]


def test_who_is_silent_while_others_answer_is_broken_off():
    frontier, _ = beside_good_hosts(answers_until=10.2)
    assert not frontier.overstaying(10.14)
    assert len(frontier.overstaying(10.2)) == 2, "one of the three may stay"


def test_a_moment_in_which_nobody_answers_counts_against_none():
    frontier, unanswered = beside_good_hosts(answers_until=10.1)
    assert not frontier.overstaying(10.3), "the line may be down"
    for flight in unanswered:
        frontier.heard(flight, 10.31)
    assert not frontier.overstaying(10.33), "nor does it afterwards"
    assert len(frontier.overstaying(12.1)) == 2, "but for longer than two seconds nobody is waited for"


def test_one_host_that_falls_silent_is_no_such_moment():
    frontier = proven(HostLimits(per_host=8, window=2000), "good", now=9.9, concurrency=100, after=0.1)
    for i in range(19):
        frontier.put(hop(f"quick{i}", 500 + i), 9.9)
        frontier.finish(start(frontier, 9.9), 10.0, Signal.ANSWERED)
    for i in range(100):
        frontier.offer(hop("good", i), 10.0)
    for i in range(300):
        frontier.offer(hop(f"unknown{i}", 1000 + i), 10.0)
    flights = start_ready(frontier, 10.0)
    assert len([flight for flight in flights if flight.key == "good"]) == 8
    assert len(frontier.overstaying(10.2)) > 50


def test_hosts_that_all_take_the_same_time_are_not_taken_for_silent_at_that_time():
    frontier = Frontier(HostLimits(), concurrency=20)
    for i in range(2000):
        frontier.offer(hop(f"h{i}", i), 0.0)
    now = 0.0
    while flights := start_ready(frontier, now):
        now += 0.1
        assert not frontier.overstaying(now)
        for flight in flights:
            frontier.finish(flight, now, Signal.ANSWERED)
    assert frontier.idle


def test_nothing_that_was_not_heard_while_nobody_listened_counts_against_a_host():
    frontier = Frontier(HostLimits(), concurrency=20)
    for i in range(40):
        frontier.offer(hop(f"h{i}", i), 0.0)
    assert len(start_ready(frontier, 0.0)) == 20
    assert not frontier.overstaying(60.0, lag=59.0)
    assert frontier.overstaying(62.1, lag=59.0)


def test_the_silent_are_evicted_when_others_want_their_slots():
    frontier = Frontier(HostLimits(per_host=1000, window=2000), concurrency=40)
    for i in range(40):
        frontier.offer(hop(f"dead{i}", i), 0.0)
    flights = start_ready(frontier, 0.0)
    assert len(flights) == 40
    assert not frontier.overstaying(5.0), "nobody else wants the slots"
    frontier.offer(hop("fresh", 100), 5.0)
    (evicted,) = frontier.overstaying(5.0)
    assert evicted is flights[0]
    frontier.finish(evicted, 5.0, Signal.NONE)
    frontier.put(evicted.hop, 5.0, doubtful=True)
    fresh = start(frontier, 5.0)
    assert fresh.key == "fresh"
    frontier.finish(fresh, 5.1, Signal.ANSWERED)
    assert start(frontier, 5.1).key == evicted.key, "the doubtful get what nobody else wants"


def test_nobody_is_evicted_for_ever():
    frontier = Frontier(HostLimits(), concurrency=20)
    for i in range(60):
        frontier.offer(hop(f"dead{i}", i), 0.0)
    times: Counter[str] = Counter()
    now = 0.0
    while now < 100.0:
        start_ready(frontier, now)
        times.update(flight.key for flight in evict(frontier, now))
        now += 0.1
    assert max(times.values()) <= 3 and frontier.in_flight == 20
    assert all(now - flight.began > 50.0 for flight in frontier._slots._unheard), "they have all the time they need"


def evict(frontier: Frontier, now: float) -> list[Flight]:
    """What the engine does with the silent, several times a second."""
    evicted = list(frontier.overstaying(now))
    for flight in evicted:
        frontier.finish(flight, now, Signal.NONE)
        frontier.put(flight.hop, now, doubtful=True)
    return evicted


def test_hosts_that_must_wait_find_slots_though_dead_ones_have_all_the_time_they_need():
    frontier = proven(HostLimits(gap=1.0, window=200), *(f"good{i}" for i in range(20)), concurrency=40)
    for i in range(20):
        for n in range(50):
            frontier.offer(hop(f"good{i}", 100 * i + n), 0.0)
    for i in range(100):
        frontier.offer(hop(f"dead{i}", 10_000 + i), 0.0)
    starts: Counter[str] = Counter()
    for step in range(300):
        now = step / 10
        for flight in start_ready(frontier, now):
            starts[flight.key] += 1
            if flight.key.startswith("good"):
                frontier.finish(flight, now + 0.01, Signal.ANSWERED)
        evict(frontier, now)
    assert frontier.in_flight <= 20, "there is a slot for each good host when its turn comes"
    assert frontier.in_flight >= 10 and max(starts[f"dead{i}"] for i in range(100)) == 4


def test_a_known_host_that_has_become_slow_is_evicted_three_times_at_most():
    frontier = proven(HostLimits(), "slow", *(f"good{i}" for i in range(20)), concurrency=20, after=0.01)
    frontier.offer(hop("slow", 0), 1.0)
    times = 0
    for step in range(400):
        now = 1.0 + step / 10
        for n in range(3):
            frontier.offer(hop(f"dead{step}-{n}", 1000 + 10 * step + n), now)
        for i in range(20):
            frontier.offer(hop(f"good{i}", 10_000 + 20 * step + i), now)
            frontier.offer(hop(f"good{i}", 30_000 + 20 * step + i), now)
        for flight in start_ready(frontier, now):
            if flight.key.startswith("good"):
                frontier.finish(flight, now + 0.01, Signal.ANSWERED)
        times += sum(flight.key == "slow" for flight in evict(frontier, now))
    assert 1 <= times <= 3
    assert any(flight.key == "slow" for flight in frontier._slots._unheard), "it has all the time it needs"


def test_answers_that_stand_still_are_evicted_three_times_at_most_and_prove_nothing():
    frontier = Frontier(HostLimits(window=5000), concurrency=40)
    for i in range(60):
        frontier.offer(hop(f"stuck{i}", i), 0.0)
    times: Counter[int] = Counter()
    under_way: list[Flight] = []
    good = 0
    for step in range(600):
        now = step / 10
        for n in range(3):
            frontier.offer(hop("good", 1000 + 3 * step + n), now)
        for flight in under_way:
            frontier.finish(flight, now, Signal.ANSWERED)
        started = start_ready(frontier, now)
        for flight in started:
            frontier.heard(flight, now + 0.01)
        under_way = [flight for flight in started if flight.key == "good"]
        good += len(under_way)
        times.update(flight.hop.record.ordinal for flight in evict(frontier, now))
    assert 1 <= max(times.values()) <= 3 and good > 1600


def test_an_answer_that_goes_on_coming_is_not_broken_off():
    frontier = proven(HostLimits(), "good", concurrency=8)
    for i in range(40):
        frontier.offer(hop("good", i), 0.0)
    flights = start_ready(frontier, 0.0)
    for step in range(40):
        for flight in flights:
            frontier.heard(flight, step / 2)
        assert not frontier.overstaying(step / 2 + 0.4)
    assert set(frontier.overstaying(25.0)) < set(flights), "now they stand still, and others wait"


def test_a_host_that_is_slow_by_nature_is_not_taken_for_silent():
    frontier = Frontier(HostLimits(), concurrency=20)
    frontier.offer(hop("slow", 0), 0.0)
    frontier.put(hop("slow", 99), 0.0, at=1e9)
    first = start(frontier, 0.0)
    frontier.heard(first, 4.0)
    frontier.finish(first, 4.0, Signal.ANSWERED)
    for i in range(1, 9):
        frontier.offer(hop("slow", i), 4.0)
    flights = start_ready(frontier, 4.0)
    for i in range(100):
        frontier.offer(hop(f"other{i}", i), 4.0)
    start_ready(frontier, 4.0)
    assert not set(frontier.overstaying(11.9)) & set(flights)


def test_while_the_list_is_read_unknown_hosts_fill_the_slots_by_and_by():
    frontier = Frontier(HostLimits(), concurrency=100)
    frontier.more_to_come = True
    for i in range(200):
        frontier.offer(hop(f"h{i}", i), 0.0)
    first = len(start_ready(frontier, 0.0))
    assert 5 <= first <= 20
    wake = frontier.wake_at()
    assert wake is not None and wake < 0.1
    assert 50 <= first + len(start_ready(frontier, 1.0)) <= 70
    frontier.more_to_come = False
    start_ready(frontier, 1.0)
    assert frontier.in_flight == 100


def test_unknown_hosts_are_tried_in_no_order_so_that_a_dead_stretch_hides_nothing():
    frontier = Frontier(HostLimits(), concurrency=20)
    for i in range(1000):
        frontier.offer(hop(f"h{i}", i), 0.0)
    tried = ordinals([start(frontier, 0.0) for _ in range(20)])
    assert any(n >= 500 for n in tried) and any(n < 500 for n in tried)


# --- overload


def fall_silent(frontier: Frontier, hosts: list[str], now: float) -> None:
    for n, host in enumerate(hosts):
        frontier.put(hop(host, n), now)
    for flight in start_ready(frontier, now):
        frontier.finish(flight, now, Signal.SILENT)


def test_many_good_hosts_that_fall_silent_at_once_lower_what_is_allowed_and_it_comes_back():
    hosts = [f"h{i}" for i in range(20)]
    frontier = proven(HostLimits(), *hosts)
    fall_silent(frontier, hosts[:9], 1.0)
    frontier.overstaying(1.1)
    assert frontier.overload.allowed == 50 and "45%" in (frontier.overload.story() or "")
    for i in range(200):
        frontier.offer(hop(f"new{i}", i), 2.0)
    assert len(start_ready(frontier, 2.0)) == 50
    for step in range(12):
        frontier.overstaying(3.2 + 2.0 * step)
    assert frontier.overload.allowed == 100 and frontier.overload.lowest == 50


def test_dead_hosts_are_no_overload_however_many():
    frontier = proven(HostLimits(), *[f"h{i}" for i in range(20)])
    for n in range(300):
        frontier.put(hop(f"dead{n}", n), 1.0)
    for flight in start_ready(frontier, 1.0):
        frontier.finish(flight, 1.0, Signal.SILENT)
    fall_silent(frontier, [f"h{i}" for i in range(5)], 1.0)
    frontier.overstaying(1.1)
    assert frontier.overload.allowed == 100 and frontier.overload.story() is None


def test_hosts_that_answer_after_they_were_silent_tell_of_overload_too():
    frontier = Frontier(HostLimits(), RetryPolicy(base=0.0))
    for n in range(20):
        frontier.put(hop(f"h{n}", n), 0.0)
        frontier.put(hop(f"h{n}", 100 + n), 0.0, at=1e9)
    for flight in start_ready(frontier, 0.0):
        frontier.finish(flight, 1.0, Signal.SILENT)
        frontier.put(flight.hop, 1.0)
    for flight in start_ready(frontier, 1.0):
        frontier.finish(flight, 2.0, Signal.ANSWERED)
    frontier.overstaying(2.1)
    assert frontier.overload.allowed == 50


class Crowd:
    """Drives a frontier with random events and checks, from outside, every promise it makes."""

    def __init__(self, limits: HostLimits) -> None:
        self.limits, self.frontier, self.now = limits, Frontier(limits, RetryPolicy(base=0.5), 6), 0.0
        self.offered = 0
        self.pending: dict[str, list[int]] = {}  # the backlog: spilled records in list order
        self.flying: list[Flight] = []
        self.last_start: dict[str, float] = {}
        self.held: dict[str, float] = {}
        self.not_before: dict[int, float] = {}
        self.done: list[int] = []

    def offer(self, host: str) -> None:
        if not self.frontier.offer(hop(host, self.offered), self.now):
            self.pending.setdefault(host, []).append(self.offered)
        self.offered += 1

    def start(self) -> None:
        started = self.frontier.next(self.now)
        if started is None:
            return
        limits, host = self.limits.of(started.key), started.key
        self.flying.append(started)
        assert sum(flight.key == host for flight in self.flying) <= limits.per_host
        assert self.now >= self.last_start.get(host, -1e9) + limits.spacing - 1e-9
        assert self.now >= self.held.get(host, 0.0)
        assert self.now >= self.not_before.get(started.hop.record.ordinal, 0.0)
        self.last_start[host] = self.now

    def finish(self, signal: Signal, pick: int) -> None:
        if not self.flying:
            return
        ended = self.flying.pop(pick % len(self.flying))
        asked = 4.0 if signal is Signal.BUSY else None
        if asked:
            self.held[ended.key] = max(self.held.get(ended.key, 0.0), self.now + asked)
        self.frontier.finish(ended, self.now, signal, asked)
        ordinal = ended.hop.record.ordinal
        if signal is Signal.ANSWERED:
            self.done.append(ordinal)
        else:
            self.not_before[ordinal] = self.now + 3.0
            self.frontier.put(ended.hop, self.now, at=self.now + 3.0, doubtful=signal is Signal.SILENT)

    def heard(self, pick: int) -> None:
        if self.flying:
            self.frontier.heard(self.flying[pick % len(self.flying)], self.now)

    def patrol(self) -> None:
        for flight in self.frontier.overstaying(self.now):
            assert flight in self.flying

    def refill(self) -> None:
        for wanted in self.frontier.refills():
            waiting = self.pending[wanted.host]
            assert wanted.n <= len(waiting) and wanted.after < waiting[0]
            taken, self.pending[wanted.host] = waiting[: wanted.n], waiting[wanted.n :]
            self.frontier.refill(wanted, [hop(wanted.host, i) for i in taken], self.now)

    def hold(self, host: str) -> None:
        self.held[host] = max(self.held.get(host, 0.0), self.now + 5.0)
        self.frontier.hold(host, self.now + 5.0, self.now)

    def run_out(self) -> None:
        """Let everything finish: nothing may be stuck, lost or doubled."""
        for _ in range(100_000):
            self.refill()
            self.start()
            self.finish(Signal.ANSWERED, 0)
            if self.frontier.idle:
                break
            if not self.flying and self.frontier.ready_hosts == 0 and not self.frontier.hungry:
                wake = self.frontier.wake_at()
                assert wake is not None, f"stuck: {self.frontier!r}"
                self.now = max(self.now, wake)
        assert sorted(self.done) == list(range(self.offered))


_hosts = st.sampled_from("abcd")
_events = st.one_of(
    st.tuples(st.just("offer"), _hosts),
    st.tuples(st.just("offer"), _hosts),
    st.tuples(st.just("start")),
    st.tuples(st.just("start")),
    st.tuples(st.just("finish"), st.sampled_from(Signal), st.integers(0, 9)),
    st.tuples(st.just("finish"), st.sampled_from([Signal.ANSWERED, Signal.SILENT]), st.integers(0, 9)),
    st.tuples(st.just("heard"), st.integers(0, 9)),
    st.tuples(st.just("patrol")),
    st.tuples(st.just("refill")),
    st.tuples(st.just("hold"), _hosts),
    st.tuples(st.just("wait"), st.floats(0.01, 4.0)),
)
_limits = st.builds(
    HostLimits,
    per_host=st.integers(1, 3),
    window=st.integers(1, 6),
    gap=st.sampled_from([0.0, 0.5, 2.0]),
    overrides=st.sampled_from([{}, {"a": HostLimits(per_host=1, gap=1.0, window=2)}]),
)


@settings(deadline=None, max_examples=300)
@given(_limits, st.lists(_events, max_size=120))
def test_never_above_a_limit_never_early_nothing_lost_or_doubled(limits: HostLimits, events: list[tuple]):
    crowd = Crowd(limits)
    slots = crowd.frontier._slots
    for name, *arguments in events:
        if name == "wait":
            crowd.now += arguments[0]
        else:
            getattr(crowd, name)(*arguments)
        assert sum(slots._awaited) == len(slots._unheard) <= slots.in_flight and min(slots._awaited) >= 0
    crowd.run_out()
    assert slots._awaited == slots._flying == [0, 0, 0]
    crowd.now += 1000.0
    assert crowd.frontier.next(crowd.now) is None
    assert crowd.frontier.hosts == 0, "idle hosts are dropped once no hold or gap runs"


@pytest.mark.parametrize("signal", [Signal.ANSWERED, Signal.NONE, Signal.BROKEN])
def test_what_waits_for_its_turn_grows_with_the_hosts_and_not_with_the_list(signal: Signal):
    frontier = Frontier(HostLimits(per_host=2), RetryPolicy(), 8)
    for n in range(2_000):
        frontier.offer(hop(f"h{n % 10}", n), float(n))
        for flight in start_ready(frontier, float(n))[:1]:
            frontier.offer(hop(f"h{n % 10}", 10_000 + n), n + 0.5)
            frontier.finish(flight, n + 0.5, signal)
            for flight in start_ready(frontier, n + 0.5):
                frontier.finish(flight, n + 0.6, signal)
    assert max(len(queue) for queue in frontier._turns._queues) <= 10


def test_a_pause_of_the_list_renews_no_retry_budget():
    frontier = Frontier(HostLimits(), RetryPolicy(budget=0.0))
    for n in range(2):
        frontier.offer(hop("a", n), 0.0)
        flight = frontier.next(0.0)
        assert flight is not None
        retries = sum(frontier.may_retry("a") for _ in range(50))
        frontier.finish(flight, 0.0, Signal.ANSWERED)
        assert frontier.hosts == 0, "the host is idle, and its state dropped"
        assert retries == (0 if n else 10)


def test_a_retry_of_an_idle_host_is_taken_from_its_budget():
    """A record's last flight ends before its retry is asked for, so the host may be idle by then."""
    frontier = Frontier(HostLimits(), RetryPolicy(budget=0.0))
    frontier.offer(hop("a", 0), 0.0)
    fail(frontier, 0.0, Signal.BROKEN)
    assert frontier.hosts == 0
    assert [frontier.may_retry("a") for _ in range(12)] == [True] * 10 + [False] * 2
    frontier.offer(hop("a", 1), 100.0)
    assert not frontier.may_retry("a"), "nor is it renewed by the next record"
