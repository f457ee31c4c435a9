"""Globs over keys that were listed, with the meaning that they have for files of a disk."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from engine.sources.stored.names import is_hidden, is_part
from engine.values import SourceMissing


def literal_folder(pattern: str) -> str:
    """Return the folders at the start of a glob that hold no wildcard, with the last slash; matches lie below."""
    folders = pattern.split("/")[:-1]
    literal = next((index for index, name in enumerate(folders) if glob.has_magic(name)), len(folders))
    return "".join(f"{name}/" for name in folders[:literal])


def reaches_deeper(pattern: str) -> bool:
    """Whether a glob may match keys below folders of its `literal_folder`."""
    rest = pattern[len(literal_folder(pattern)) :]
    return "/" in rest or rest == "**"


def matches(key: str, pattern: str) -> bool:
    """Return whether a glob matches a key: `*`, `?` and `[…]` inside a name, `**` over any number of folders."""
    return _match(key.split("/"), pattern.split("/"))


def _match(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns or not names:
        return not names and not patterns
    if patterns[0] != "**":
        return fnmatchcase(names[0], patterns[0]) and _match(names[1:], patterns[1:])
    rest = patterns[1:]
    return not rest or any(_match(names[start:], rest) for start in range(len(names)))


def may_lead_to(pattern: str) -> Callable[[str], bool]:
    """Return what tells of a folder whether a glob may match something below it."""
    patterns = pattern.split("/")

    def may_lead(folder: str) -> bool:
        names = folder.split("/")
        for name, wanted in zip(names, patterns, strict=False):
            if wanted == "**":
                return True
            if not fnmatchcase(name, wanted):
                return False
        return len(names) < len(patterns)

    return may_lead


def matching(keys: Iterable[str], pattern: str, root: str, folders: Iterable[str] = ()) -> list[str]:
    """Return the keys that a glob means, sorted; `root` stands before them in messages.

    A key that is the very text of the glob is meant literally. `folders` are known beside those that keys lie in.

    Raises:
        SourceMissing: there is none.
    """
    known = sorted(keys)
    if pattern in known:
        return [pattern]
    found = [key for key in known if is_part(key, pattern) and matches(key, pattern)]
    if found:
        return found
    parents = {key[:end] for key in known for end, character in enumerate(key) if character == "/"}
    if any(matches(folder, pattern) and is_part(folder, pattern) for folder in parents.union(folders)):
        raise SourceMissing(f"{root}{pattern} matches only directories; {root}{pattern}/** means all files below them")
    raise SourceMissing(f"{root}{pattern} matches no file")


def below(keys: Iterable[str], folder: str, root: str) -> list[str]:
    """Return the keys below a folder (empty, or with its slash), sorted, without hidden ones; all `keys` lie below it.

    Raises:
        SourceMissing: there is none.
    """
    known = sorted(keys)
    found = [key for key in known if not any(map(is_hidden, key[len(folder) :].split("/")))]
    if not known:
        raise SourceMissing(f"{root}{folder} does not exist")
    if not found:
        raise SourceMissing(f"{root}{folder} is a directory without any file to read (hidden ones are no parts)")
    return found
