"""What users should know about a manifest before the work starts: each fact once, with a number and examples.

The modules that list, read or name files count; a driver logs `Notes.lines`. Does not know storage or tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flipbatch.errors import printable, redacted
from flipbatch.frames.names import composed
from flipbatch.runtime.wording import numbered

EXAMPLES = 3
"""How many examples a line names."""


class Notes:
    """Counts by sentence, in the order of their first count. Memory holds three examples a sentence."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def count(self, sentence: str, example: str, number: int = 1) -> None:
        """Count a fact.

        Parameters
        ----------
        sentence : str
            Contains ``{count}`` and ``{examples}``, and words for one fact and for several, such as
            ``{count} {folder was|folders were} passed over: {examples}.``
        example : str
            A path or a word. The first `EXAMPLES` different ones are named, without credentials and without
            characters that move a cursor. Two that differ only in Unicode's form print alike: one is named.
        number : int
            How often the fact occurred, at least 1.
        """
        self._counts[sentence] += number
        examples = self._examples.setdefault(sentence, [])
        if len(examples) <= EXAMPLES and composed(example) not in map(composed, examples):
            examples.append(example)

    def count_all(self, sentence: str, examples: Sequence[str], number: int) -> None:
        """Count a fact `number` times; `examples` are the first of them, at least one."""
        for index, example in enumerate(examples):
            self.count(sentence, example, number - len(examples) + 1 if index == 0 else 1)

    def lines(self) -> list[str]:
        """Return one line per sentence."""
        return [
            numbered(sentence, count).replace("{examples}", self._named(sentence))
            for sentence, count in self._counts.items()
        ]

    def _named(self, sentence: str) -> str:
        examples = [printable(redacted(example)) for example in self._examples[sentence]]
        return ", ".join(examples[:EXAMPLES]) + (", …" if len(examples) > EXAMPLES else "")
