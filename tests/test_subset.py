"""Synsets, groupings from files and mappings, and splits by hash."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynccrawl import Grouping, SettingsError
from asynccrawl.subset import (
    DigitsSplit,
    Split,
    digits_counts,
    find_synsets,
    load_grouping,
    load_labels,
    synsets,
)


def test_the_shipped_data_is_whole():
    assert len(synsets()) == 1000 and synsets()["n01440764"].words == ("tench", "Tinca tinca")
    grouping = load_grouping("imagenet12")
    sizes = {group: len(members) for group, members in grouping.groups.items()}
    assert sizes == {
        "ball": 7, "bear": 4, "bike": 3, "bird": 17, "bottle": 7, "cat": 13, "dog": 123, "fish": 5, "fruit": 11,
        "turtle": 5, "vehicle": 14, "sign": 2,
    }  # fmt: skip
    assert len(grouping.labels) == 211 <= len(synsets()) and not grouping.unknown and not grouping.empty
    assert grouping.class_of("n02799071") == "ball" and grouping.groups["ball"]["baseball"] == "n02799071"
    assert grouping.class_of(None) is None and grouping.class_of("n03126707") is None


def test_synsets_are_found_by_id_and_by_words():
    assert [str(s) for s in find_synsets("n01440764")] == ["n01440764 tench, Tinca tinca"]
    assert [s.id for s in find_synsets("crane")] == ["n02012849", "n03126707"]
    assert find_synsets("Great White")[0].id == find_synsets("great_white_shark")[0].id == "n01484850"
    assert find_synsets("  ") == find_synsets("no such thing") == []
    assert {s.id for s in find_synsets("tiger")} >= {"n02129604", "n01491361"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("g.toml", '[pet]\ncat = "n1"\ndog = "n2"\n[wild]\nwolf = "n3"\n'),
        ("g.csv", "class,name,synset\npet,cat,n1\npet,dog,n2\n\nwild,wolf,n3\n"),
        ("g.tsv", "pet\tcat\tn1\r\npet\tdog\tn2\r\nwild\twolf\tn3\r\n"),
        ("g.csv", '# mine\n"pet","cat",n1\npet,dog,n2\nwild,wolf,n3'),
    ],
)
def test_a_grouping_is_a_file_anyone_can_write(tmp_path: Path, file: str, text: str):
    (tmp_path / file).write_text("\ufeff" + text)
    grouping = load_grouping(tmp_path / file)
    assert grouping.groups == {"pet": {"cat": "n1", "dog": "n2"}, "wild": {"wolf": "n3"}}
    assert grouping == Grouping.of({"pet": {"cat": "n1", "dog": "n2"}, "wild": {"wolf": "n3"}}, str(tmp_path / file))
    assert load_labels(tmp_path / file) == load_labels(["n1", "n2", "n3"]) == {"n1", "n2", "n3"}


def test_shorter_forms(tmp_path: Path):
    whole = Grouping.of({"a": ["x", "y"], "b": ["z"]})
    assert Grouping.of({"x": "a", "y": "a", "z": "b"}) == whole == load_grouping(whole)
    (tmp_path / "g.toml").write_text('a = ["x", "y"]\nb = ["z"]\n')
    (tmp_path / "g.csv").write_text("class,label\na,x\na,y\nb,z\n")
    assert dict(load_grouping(tmp_path / "g.toml").groups) == dict(load_grouping(tmp_path / "g.csv").groups)
    (tmp_path / "labels.txt").write_text("x\n# not y\n z # but z\n\n")
    assert load_labels(str(tmp_path / "labels.txt")) == {"x", "z"}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("g.toml", '[a]\nx = "n1"\n[b]\n\ny = "n1"\n', r"g.toml, lines 2 and 5: n1 is in a and b"),
        ("g.toml", '[a]\nx = "n1"\ny = "n1"\n', r"g.toml, lines 2 and 3: n1 is in a twice"),
        ("g.toml", "[a]\nx = 3\n", r"g.toml, line 2: 3 is int"),
        ("g.toml", '[a]\nx = "n1"\n[A]\ny = "n2"\n', r"differ in case only"),
        ("g.toml", '[a]\n"x/y" = "n1"\n', r"g.toml, line 2: the member of a 'x/y' cannot be a directory"),
        ("g.toml", '[a]\nx = "n1\n', r"g.toml, line 2: not TOML"),
        ("g.toml", '[a]\nx = """n1\n\n', r"g.toml, line 3: not TOML.*end of document"),
        ("g.toml", '[a]\nx = "n1"\n[b', r"g.toml, line 3: not TOML"),
        ("g.toml", '[a]\nx = "n1"\ny = true\n', r"g.toml, line 3: True is bool"),
        ("g.toml", '[a]\nx = "n1"\ny = ["n2"]\n', r"g.toml, line 3: \['n2'\] is list"),
        ("g.toml", '[a]\nx = "n1"\ny = ""\n', r"g.toml, line 3: '' in a cannot be a label"),
        ("g.toml", '[a]\nx = "n1"\n[b]\n"" = "n2"\n', r"g.toml, line 3: the member of b '' cannot"),
        ("g.toml", 'a = ["n1"]\nb = 0x10\n', r"g.toml, line 2: 'b' is 16"),
        ("g.toml", '[[a]]\nx = "n1"\n', r"g.toml, line 1: .* is dict"),
        ("g.toml", 'a = ["n1"]\nb = [{x = "n2"}]\n', r"g.toml, line 2: .* is dict"),
        ("g.toml", "[a]\n[b]\n", r"no class has a member"),
        ("g.toml", 'a = ["n1", "n1"]\n', r"g.toml, line 1: a holds n1 twice"),
        ("g.csv", "a,x,n1\nb,y,n2\nc,z,n1\n", r"g.csv, line 3: n1 stood in line 1 already"),
        ("g.csv", "a,x,n1\na,x,n2\n", r"g.csv, line 2: a has a member 'x' already"),
        ("g.csv", "a,x,n1,more\n", r"g.csv, line 1: 4 fields"),
        ("g.csv", "a,x,n1\n.b,y,n2\n", r"g.csv, line 2: the class '.b' cannot be a directory"),
        ("g.csv", "a,,n1\n", r"g.csv, line 1: an empty field"),
        ("g.csv", 'a,"x,n1\n', r"g.csv, line 1: unexpected end"),
        ("g.csv", b"a,x,n1\na,\xff,n2\n", r"g.csv, line 2: not UTF-8"),
        ("g.txt", "", r"no label in it"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, file: str, text: str | bytes, message: str):
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError, match=message):
        load_labels(tmp_path / file)


@pytest.mark.parametrize("meant", [3, {"a": 5}, {3: ["x"]}, {"a": {"x": 1}}, {"": ["x"]}, {"a": [""]}])
def test_what_is_no_grouping_is_refused(meant: object):
    with pytest.raises(SettingsError):
        load_grouping(meant)  # type: ignore[arg-type]


def test_unknown_synsets_and_empty_classes_are_kept_and_told():
    grouping = Grouping.of({"a": {"x": "n99999999", "y": "n02799071"}, "none": {}, "own": ["tabby cat"]})
    assert grouping.unknown == ["n99999999"] and grouping.empty == ["none"]
    assert grouping.class_of("tabby cat") == "own" and "tabby cat" in grouping.labels
    from asynccrawl.models import safe_name

    assert grouping.class_of(safe_name("tabby cat", "tabby cat")) == "own"


PINNED_DIGITS = [11, 17, 27, 31]
PINNED = ["test", "test", "val", "train", "test", "test"]
names = st.text(min_size=1, max_size=30)


@given(st.lists(names, unique=True, max_size=60), st.floats(0, 45), st.floats(0, 45))
def test_a_split_depends_on_the_name_alone(some: list[str], val: float, test: float):
    split = Split(val=val, test=test)
    for name in some:
        place = split.of(name)
        assert place == Split(val=val, test=test).of(name)
        assert place in split.names or (place is None and not split.names)
        if place == "val":
            assert Split(val=min(val + 10, 54), test=0).of(name) == "val"
            assert Split(val=val, test=0).of(name) == "val"
        if place == "test":
            assert Split(val=0, test=test).of(name) == "test"


def test_shares_hold_on_average_and_what_is_no_share_is_refused():
    counts = Counter(Split(val=10, test=20).of(f"n02799071_{n}") for n in range(20_000))
    assert abs(counts["val"] - 2000) < 200 and abs(counts["test"] - 4000) < 300 and counts.total() == 20_000
    assert Split().of("x") is None and Split().names == () and Split(val=5).names == ("train", "val")
    # Pinned: a data set that was split once has to be split the same way by every later version.
    assert [Split(val=30, test=30).of(f"n02799071_{n}") for n in range(6)] == PINNED
    for val, test in [(-1, 0), (100, 0), (60, 40), (True, 0), (float("nan"), 0)]:
        with pytest.raises(ValueError, match=r"val is|test is"):
            Split(val=val, test=test)


SHARES = st.sampled_from([(10.0, 0.0), (10.0, 10.0), (0.0, 25.0), (50.0, 49.0), (99.0, 0.0), (33.3, 33.3)])


@given(st.integers(1, 400), SHARES, st.integers(0, 5))
def test_digits_rule_leaves_no_split_empty_and_loses_nobody(n: int, shares: tuple[float, float], seed: int):
    val, test = shares
    rule, names = DigitsSplit(val=val, test=test, seed=seed), [f"n_{i}" for i in range(n)]
    splits = rule.assign(names)
    if n < max(2, len(rule.names)):
        assert splits is None
        return
    assert splits is not None and set(splits) == set(rule.names)
    counts = digits_counts(n, val, test)
    assert (splits.count("train"), splits.count("val"), splits.count("test")) == counts and sum(counts) == n
    turned = rule.assign(names[::-1])
    assert turned == splits[::-1], "whatever order they are given in"


def test_digits_rule_without_shares_divides_nothing_and_seeds_differ():
    names = [f"n_{i}" for i in range(40)]
    assert DigitsSplit().assign(names) == [None] * 40 and DigitsSplit().names == ()
    assert DigitsSplit(val=50, seed=1).assign(names) != DigitsSplit(val=50, seed=2).assign(names)
    # Pinned: the same seed gives the same split in every later version.
    assert [i for i, s in enumerate(DigitsSplit(val=10, seed=7).assign(names) or []) if s == "val"] == PINNED_DIGITS
