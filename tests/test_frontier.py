"""The frontier, told what time it is: every rule alone, then all of them under a random crowd of events."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynccrawl.frontier import Frontier
from asynccrawl.models import Hop, Record, Request
from asynccrawl.settings import HostLimits


def hop(host: str, ordinal: int = 0) -> Hop:
    record = Record(ordinal, ordinal + 1, f"{ordinal:09d}", None, Request(f"http://{host}/{ordinal}"), host)
    return Hop.first(record, 60.0)


def drain_ready(frontier: Frontier, now: float) -> list[Hop]:
    return list(iter(lambda: frontier.next(now), None))


def test_a_host_never_has_more_than_its_limit_in_flight():
    frontier = Frontier(HostLimits(per_host=2))
    for i in range(5):
        assert frontier.offer(hop("a", i), 0.0)
    assert [h.record.ordinal for h in drain_ready(frontier, 0.0)] == [0, 1]
    frontier.finish("a", 1.0)
    assert [h.record.ordinal for h in drain_ready(frontier, 1.0)] == [2]


def test_hosts_take_turns():
    frontier = Frontier(HostLimits(per_host=8))
    for i in range(3):
        frontier.offer(hop("a", i), 0.0)
    for i in range(3, 6):
        frontier.offer(hop("b", i), 0.0)
    assert [h.host for h in drain_ready(frontier, 0.0)] == ["a", "b"] * 3


@pytest.mark.parametrize("limits", [HostLimits(gap=2.0), HostLimits(rate=0.5), HostLimits(rate=10.0, gap=2.0)])
def test_gap_and_rate_space_the_starts(limits: HostLimits):
    frontier = Frontier(limits)
    frontier.offer(hop("a", 0), 0.0)
    frontier.offer(hop("a", 1), 0.0)
    assert len(drain_ready(frontier, 0.0)) == 1
    assert frontier.wake_at() == 2.0
    assert frontier.next(1.999) is None
    assert frontier.next(2.0) is not None


def test_a_gap_outlives_the_idleness_of_its_host():
    frontier = Frontier(HostLimits(gap=10.0))
    frontier.offer(hop("a", 0), 0.0)
    assert frontier.next(0.0)
    frontier.finish("a", 1.0)
    assert frontier.idle and frontier.hosts == 1
    frontier.offer(hop("a", 1), 2.0)
    assert frontier.next(9.9) is None
    assert frontier.next(10.0)


def test_a_hold_stops_a_host_that_was_ready_and_outlives_its_idleness():
    frontier = Frontier(HostLimits())
    frontier.offer(hop("a"), 0.0)
    frontier.hold("a", 30.0, 0.0)
    frontier.hold("a", 20.0, 0.0)
    assert frontier.next(29.9) is None
    assert frontier.next(30.0)
    frontier.hold("a", 60.0, 31.0)
    frontier.finish("a", 31.0)
    frontier.offer(hop("a", 1), 32.0)
    assert frontier.next(59.0) is None
    assert frontier.next(60.0)


def test_the_state_of_an_idle_host_is_dropped():
    frontier = Frontier(HostLimits(gap=1.0))
    for i in range(100):
        frontier.offer(hop(f"h{i}", i), 0.0)
    for started in drain_ready(frontier, 0.0):
        frontier.finish(started.host, 0.5)
    assert frontier.hosts == 100
    assert frontier.next(1.0) is None
    assert frontier.hosts == 0 and frontier.wake_at() is None


def test_a_retry_waits_for_its_time_and_then_goes_first():
    frontier = Frontier(HostLimits(per_host=1))
    frontier.offer(hop("a", 0), 0.0)
    first = frontier.next(0.0)
    assert first
    frontier.finish("a", 0.0)
    frontier.put(first, 0.0, at=5.0)
    for i in (1, 2):
        frontier.offer(hop("a", i), 0.0)
    assert frontier.next(4.0).record.ordinal == 1
    frontier.finish("a", 6.0)
    assert frontier.next(6.0).record.ordinal == 0
    frontier.finish("a", 6.0)
    assert frontier.next(6.0).record.ordinal == 2


def test_a_redirect_goes_before_the_fresh_records_of_its_host():
    frontier = Frontier(HostLimits())
    frontier.offer(hop("a", 1), 0.0)
    frontier.put(hop("a", 0), 0.0)
    assert [h.record.ordinal for h in drain_ready(frontier, 0.0)] == [0, 1]


def test_overrides_hold_for_their_host_alone():
    frontier = Frontier(HostLimits(per_host=3, overrides={"slow": HostLimits(per_host=1)}))
    for i in range(5):
        frontier.offer(hop("slow", i), 0.0)
        frontier.offer(hop("fast", i + 5), 0.0)
    hosts = [h.host for h in drain_ready(frontier, 0.0)]
    assert hosts.count("slow") == 1 and hosts.count("fast") == 3


def test_beyond_the_window_records_are_spilled_and_come_back_in_order():
    frontier = Frontier(HostLimits(per_host=1, window=4))
    accepted = [frontier.offer(hop("a", i), 0.0) for i in range(10)]
    assert accepted == [True] * 4 + [False] * 6
    assert frontier.refills() == []
    order = []
    for _ in range(10):
        order.append(frontier.next(0.0).record.ordinal)
        frontier.finish("a", 0.0)
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
        frontier.next(0.0)
        frontier.finish("a", 0.0)
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
    started = frontier.next(0.0)
    assert [h.record.ordinal for h in frontier.close("a")] == [1]
    assert frontier.closed("a") and not frontier.closed("b")
    assert frontier.next(0.0) is None
    frontier.finish(started.host, 1.0)
    assert frontier.idle and frontier.hosts == 0


def test_clear_returns_all_that_has_not_started():
    frontier = Frontier(HostLimits(per_host=1))
    for i in range(3):
        frontier.offer(hop("a", i), 0.0)
    frontier.put(hop("b", 3), 0.0, at=9.0)
    frontier.next(0.0)
    assert sorted(h.record.ordinal for h in frontier.clear()) == [1, 2, 3]
    assert frontier.queued == 0 and frontier.in_flight == 1


class Crowd:
    """Drives a frontier with random events and checks, from outside, every promise it makes."""

    def __init__(self, limits: HostLimits) -> None:
        self.limits, self.frontier, self.now = limits, Frontier(limits), 0.0
        self.offered = 0
        self.pending: dict[str, list[int]] = {}  # the backlog: spilled records in list order
        self.flying: list[Hop] = []
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
        limits, host = self.limits.of(started.host), started.host
        self.flying.append(started)
        assert sum(h.host == host for h in self.flying) <= limits.per_host
        assert self.now >= self.last_start.get(host, -1e9) + limits.spacing - 1e-9
        assert self.now >= self.held.get(host, 0.0)
        assert self.now >= self.not_before.get(started.record.ordinal, 0.0)
        self.last_start[host] = self.now

    def finish(self, retry: bool, pick: int) -> None:
        if not self.flying:
            return
        ended = self.flying.pop(pick % len(self.flying))
        self.frontier.finish(ended.host, self.now)
        if retry:
            self.not_before[ended.record.ordinal] = self.now + 3.0
            self.frontier.put(ended, self.now, at=self.now + 3.0)
        else:
            self.done.append(ended.record.ordinal)

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
            self.finish(False, 0)
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
    st.tuples(st.just("finish"), st.booleans(), st.integers(0, 9)),
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
    for name, *arguments in events:
        if name == "wait":
            crowd.now += arguments[0]
        else:
            getattr(crowd, name)(*arguments)
    crowd.run_out()
    crowd.now += 100.0
    assert crowd.frontier.next(crowd.now) is None
    assert crowd.frontier.hosts == 0, "idle hosts are dropped once no hold or gap runs"
