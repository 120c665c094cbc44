"""Builds the synonym table of the local engine from the files of WordNet 3.0.

    apt-get install wordnet-base        # Debian's package: /usr/share/wordnet
    python tools/wordnet.py [folder]

The same files give the same bytes. ``ragflow_integrations/local/synonyms.py`` says what is in the table.
"""

from __future__ import annotations

import lzma
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path("/usr/share/wordnet")
TARGET = Path(__file__).resolve().parents[1] / "ragflow_integrations/local/data/synonyms.xz"
PARTS = ("noun", "verb", "adj", "adv")
PACKING = [
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**21}
]  # small to unpack
NEEDED = 9  # RAGFlow takes eight synonyms, and the word asked for may be among them

_WORD = re.compile("[a-z]+")
_MARKER = re.compile(r"\([a-z]+\)$")  # tells where an adjective may stand


def table(folder: Path) -> str:
    """The table as text: a line for each word, an empty line, a line for each irregular form."""
    senses = {part: dict(_senses(folder, part)) for part in PARTS}
    irregular = {(word, part): bases for part in PARTS for word, *bases in _irregular(folder, part)}
    wanted = {word for part in PARTS for word in senses[part] if _WORD.fullmatch(word)}
    wanted |= {base for (_, part), bases in irregular.items() for base in bases if base in senses[part]}
    lines = ["\t".join([word, *(_field(word, senses[part]) for part in PARTS)]).rstrip() for word in wanted]
    forms = [f"{word}\t{part}\t{','.join(bases)}" for (word, part), bases in irregular.items()]
    return "\n".join([*sorted(lines), "", *sorted(forms)])


def _field(word: str, senses: dict[str, list[str]]) -> str:
    """The names of a word's senses, each once; its own as ``=``, which compresses better."""
    names = list(dict.fromkeys(senses.get(word, [])))[:NEEDED]
    return ",".join("=" if name == word else name for name in names)


def _senses(folder: Path, part: str) -> Iterator[tuple[str, list[str]]]:
    """Each lemma with the names of its senses, the most frequent sense first."""
    names = dict(_names(folder, part))
    for line in _lines(folder / f"index.{part}"):
        lemma, _, count, *rest = line.split()
        yield lemma, [names[offset] for offset in rest[-int(count) :] if names[offset]]


def _names(folder: Path, part: str) -> Iterator[tuple[str, str]]:
    """The offset of each sense and what RAGFlow makes of its name: the first lemma, up to a full stop."""
    for line in _lines(folder / f"data.{part}"):
        offset, _, _, _, first, _ = line.split(maxsplit=5)
        name = _MARKER.sub("", first).lower().split(".")[0].replace("_", " ")
        if set(name) & set("=,\t"):
            raise ValueError(
                f"data.{part}: the name {name!r} holds a character that the table needs for itself"
            )
        yield offset, name


def _irregular(folder: Path, part: str) -> Iterator[list[str]]:
    for line in _lines(folder / f"{part}.exc"):
        if _WORD.fullmatch(line.split()[0]):
            yield line.split()


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file, without the licence in front, which is indented."""
    return (line for line in path.read_text("ascii").splitlines() if line and not line.startswith(" "))


def main() -> None:
    """Write the table."""
    text = table(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    TARGET.write_bytes(lzma.compress(text.encode("ascii"), filters=PACKING))
    print(
        f"{TARGET.name}: {text.count(chr(10)) + 1} lines, {len(text)} bytes, packed {TARGET.stat().st_size}"
    )


if __name__ == "__main__":
    main()
