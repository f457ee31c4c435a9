from __future__ import annotations

import glob
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from engine.sources.stored.globs import below, literal_folder, matches, matching, reaches_deeper
from engine.sources.stored.names import is_part
from engine.values.errors import SourceMissing

KEYS = ["a", "b.csv", "d/a", "d/b.csv", "d/e/a", "d/e/f/b.csv", ".h/a", "d/.h", "_t/a", "x=1/a"]
PATTERNS = [
    "*",
    "**",
    "**/*",
    "d/*",
    "d/**",
    "d/**/a",
    "*/a",
    "**/a",
    "?",
    "[ab]*",
    "d/e/f/*",
    "*/*/*",
    ".h/*",
    "d/**/**/a",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_glob_means_the_same_as_on_a_disk(tmp_path: Path, pattern: str) -> None:
    for key in KEYS:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(b"")
    on_disk = {key for key in glob.glob(pattern, root_dir=tmp_path, recursive=True) if (tmp_path / key).is_file()}
    expected = sorted(key for key in on_disk if is_part(key, pattern))
    assert expected
    assert matching(KEYS, pattern, "s3://b/") == expected


@given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map("/".join))
@settings(max_examples=50)
def test_a_key_without_wildcards_matches_itself_only(key: str) -> None:
    assert matches(key, key)
    assert not matches(f"{key}/a", key)
    assert not matches(key, f"{key}/a")


@pytest.mark.parametrize(
    ("pattern", "folder", "deep"),
    [
        ("*.csv", "", False),
        ("a/b/*.csv", "a/b/", False),
        ("a/b*/c.csv", "a/", True),
        ("a/**", "a/", True),
        ("a/**/b.csv", "a/", True),
        ("[ab]/c", "", True),
    ],
)
def test_only_what_lies_below_the_literal_folders_is_listed(pattern: str, folder: str, deep: bool) -> None:
    assert (literal_folder(pattern), reaches_deeper(pattern)) == (folder, deep)


def test_what_matches_nothing_says_why() -> None:
    with pytest.raises(SourceMissing, match=r"s3://b/d\* matches only directories; s3://b/d\*/\*\* means"):
        matching(KEYS, "d*", "s3://b/")
    with pytest.raises(SourceMissing, match=r"s3://b/n\* matches only directories"):
        matching(["a"], "n*", "s3://b/", folders=["new"])
    with pytest.raises(SourceMissing, match=r"s3://b/q\* matches no file"):
        matching(KEYS, "q*", "s3://b/")
    with pytest.raises(SourceMissing, match="s3://b/q/ does not exist"):
        below([], "q/", "s3://b/")
