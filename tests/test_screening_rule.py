"""The rule for placeholders: what it needs, and that no reason for an honest duplicate is taken for one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynccrawl.screening.rule import Evidence, Figures, effective_number, is_placeholder, place_of

Sighting = tuple[str, str | None, str | None]
SMALL = 2_051


def figures(sightings: list[Sighting]) -> Figures:
    evidence = Evidence()
    for sighting in sightings:
        evidence.add(*sighting)
    return evidence.figures()


def found(sightings: list[Sighting], size: int = SMALL) -> bool:
    return is_placeholder(figures(sightings), size)


def spread(copies: int, labels: int, hosts: int, target: str | None = None) -> list[Sighting]:
    """Copies dealt evenly to labels (0: none) and hosts, each under a name of its own."""
    dealt = [(i % labels if labels else None, (i + i // max(1, labels)) % hosts) for i in range(copies)]
    return [
        (f"http://h{host}.example/{i}.jpg", None if label is None else f"n{label}", target)
        for i, (label, host) in enumerate(dealt)
    ]


def test_the_placeholder_of_the_imagenet_list_is_found_within_its_first_copies():
    rng = random.Random(1)
    hosts, weights = [f"farm{n}.static.flickr.com" for n in range(1, 5)] + ["other.example"], [40, 30, 15, 10, 5]
    sightings: list[Sighting] = []
    while not found(sightings):
        url = f"http://{rng.choices(hosts, weights)[0]}/{rng.randrange(4000)}/{rng.randrange(10**9)}_{rng.random()}.jpg"
        sightings.append((url, f"n{rng.randrange(1000)}", url))
    assert len(sightings) <= 20


@pytest.mark.parametrize(
    ("why", "sightings"),
    [
        ("ten labels need twelve copies", spread(12, 10, 1) + spread(24, 10, 2)[12:]),
        ("three need forty", spread(48, 3, 4)),
        ("redirects that converge make up for hosts", spread(40, 10, 1, "http://h0.example/gone.png")),
        ("many hosts, once each", spread(40, 10, 40)),
        ("without labels by names and hosts", spread(24, 0, 3)),
        ("without labels, by redirects", spread(24, 0, 1, "http://h0.example/gone.png")),
        ("a query is part of a name", [(f"http://h{i % 3}/image.php?id={i}", f"n{i % 9}", None) for i in range(40)]),
    ],
)
def test_placeholders(why: str, sightings: list[Sighting]):
    assert found(sightings), why
    assert not found(sightings[:10]), "too few to tell"


@pytest.mark.parametrize(
    ("why", "sightings"),
    [
        ("one label, many keys, many hosts", spread(1000, 1, 50)),
        ("one label and strays", spread(1000, 1, 50) + spread(9, 9, 3)),
        ("two labels: label noise", spread(500, 2, 50)),
        ("a logo on one site, under all labels", spread(1000, 100, 1)),
        ("a logo, copied with its name", [(f"http://h{i}/x{i}/logo.png", f"n{i % 50}", None) for i in range(500)]),
        ("one URL under all labels", [("http://h/1.jpg", f"n{i}", None) for i in range(100)]),
        ("one URL, with other fragments", [(f"http://h{i % 9}/1.jpg#{i}", f"n{i}", None) for i in range(100)]),
        ("a stock photograph on a few hosts", spread(20, 4, 5)),
        ("a photograph that went round, unlabelled", [(f"http://h{i}/{i}.jpg", None, None) for i in range(500)]),
        ("a logo on one site, unlabelled", spread(1000, 0, 1)),
    ],
)
def test_honest_duplicates_stay(why: str, sightings: list[Sighting]):
    assert not found(sightings), why


def test_without_labels_only_small_pictures_are_told():
    assert found(spread(100, 0, 5), 32 * 1024) and not found(spread(100, 0, 5), 32 * 1024 + 1)
    assert found(spread(100, 10, 5), 10**6)


def test_names_and_hosts():
    assert place_of("http://www.Example.com:80/a/b/logo.png?x=1#top") == ("example.com", "logo.png?x=1")
    assert place_of("https://example.com:8443/a/") == ("example.com:8443", "a")
    assert place_of("no url") == ("", "no url")


_sightings = st.lists(
    st.tuples(
        st.builds("http://h{}/{}.jpg".format, st.integers(0, 30), st.integers(0, 60)),
        st.one_of(st.none(), st.builds("n{}".format, st.integers(0, 20))),
        st.sampled_from([None, "http://h0/gone.png", "http://h1/gone.png"]),
    ),
    max_size=80,
)


@given(_sightings, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(sightings: list[Sighting], rng: random.Random):
    again = sightings * 2
    rng.shuffle(again)
    assert figures(again) == pytest.approx(figures(sightings))


@given(_sightings, st.integers(1, 10**6))
def test_what_one_reason_explains_is_never_a_placeholder(sightings: list[Sighting], size: int):
    assert not found([(url, url and "n1", target) for url, _, target in sightings], size), "one label"
    one_host = [(f"http://one/{url.rpartition('/')[2]}", label, None) for url, label, _ in sightings]
    assert not found(one_host, size), "one site"
    one_name = [(f"{url.rpartition('/')[0]}/logo.png", label, target) for url, label, target in sightings]
    assert not found(one_name, size), "one file"


@given(st.lists(st.integers(0, 1000), max_size=50))
def test_the_effective_number_lies_between_one_and_the_number_of_groups(counts: list[int]):
    groups = sum(n > 0 for n in counts)
    assert min(groups, 1) - 1e-9 <= effective_number(counts) <= groups + 1e-9
    assert effective_number([7] * groups) == pytest.approx(groups)


def test_memory_is_bounded():
    assert figures(spread(1_000, 1, 1)).names == 256
