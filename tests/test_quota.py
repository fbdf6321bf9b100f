"""Quotas: never exceeded, always met while records remain, and hardly anything fetched in vain."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynccrawl.quota import Quota, Verdict


def test_a_label_is_full_when_its_pictures_are_saved_and_waits_while_they_may_be():
    quota = Quota(2, surplus=0)
    for _ in range(2):
        assert quota.verdict("cat") is Verdict.GO
        quota.begin("cat")
    assert quota.verdict("cat") is Verdict.WAIT and quota.verdict("dog") is Verdict.GO
    quota.end("cat")
    assert quota.changed() == {"cat"} and quota.verdict("cat") is Verdict.GO and quota.room("cat") == 1
    quota.begin("cat")
    assert quota.take("cat") and quota.take("cat")
    assert quota.verdict("cat") is Verdict.FULL and quota.changed() == {"cat"} and quota.changed() == set()
    quota.give_back("cat")
    assert quota.verdict("cat") is Verdict.GO
    assert repr(quota) == "<Quota 2 a label, 1 saved, 0 in hand, 0 dropped>"


def test_what_earlier_runs_saved_counts_and_what_has_no_label_does_not():
    quota = Quota(3, surplus=0, saved={"cat": 5})
    assert quota.verdict("cat") is Verdict.FULL and not quota.take("cat") and quota.dropped == 1
    for _ in range(9):
        assert quota.verdict(None) is Verdict.GO and quota.take(None)
        quota.begin(None)
        quota.end(None)


def test_the_surplus_is_used_up_by_what_was_dropped():
    quota = Quota(1, surplus=1)
    for round_ in ("a", "b"):
        quota.begin(round_)
        more = quota.verdict(round_) is Verdict.GO
        assert more == (round_ == "a")
        if more:
            quota.begin(round_)
            assert quota.take(round_) and not quota.take(round_)
    assert quota.dropped == 1


@given(
    per_label=st.integers(1, 5),
    surplus=st.integers(0, 6),
    sizes=st.lists(st.integers(0, 25), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
)
def test_any_order_of_events_keeps_the_promise(per_label: int, surplus: int, sizes: list[int], seed: int):
    rng = random.Random(seed)
    quota = Quota(per_label, surplus)
    waiting = [(str(n), rng.random() < 0.6) for n, size in enumerate(sizes) for _ in range(size)]
    good = {label: sum(ok for name, ok in waiting if name == label) for label, _ in waiting}
    rng.shuffle(waiting)
    in_hand: list[tuple[str, bool]] = []
    saved = dict.fromkeys(good, 0)
    fetched_good = 0
    while waiting or in_hand:
        goes = [i for i, (label, _) in enumerate(waiting) if quota.verdict(label) is Verdict.GO]
        if goes and (not in_hand or rng.random() < 0.6):
            label, ok = waiting.pop(rng.choice(goes))
            quota.begin(label)
            in_hand.append((label, ok))
            fetched_good += ok
        elif in_hand:
            label, ok = in_hand.pop(rng.randrange(len(in_hand)))
            if not ok:
                quota.end(label)
            elif quota.take(label):
                saved[label] += 1
        else:
            assert all(quota.verdict(label) is Verdict.FULL for label, _ in waiting)
            break
    assert saved == {label: min(per_label, n) for label, n in good.items()}
    assert fetched_good - sum(saved.values()) == quota.dropped <= surplus


@pytest.mark.parametrize("value", [0, -1, True, "3"])
def test_a_quota_is_a_number_of_pictures(value: object):
    from asynccrawl import ListOptions

    with pytest.raises(ValueError, match="per_label"):
        ListOptions(per_label=value)  # type: ignore[arg-type]
