"""Facts about `flipbatch.frames.notes`."""

from __future__ import annotations

from flipbatch.frames.notes import Notes

SENTENCE = "{count} {folder was|folders were} passed over: {examples}."


def test_a_fact_is_one_line_with_its_number_and_examples():
    notes = Notes()
    for name in ("a", "b", "a"):
        notes.count(SENTENCE, name)
    assert notes.lines() == ["3 folders were passed over: a, b."]


def test_an_example_stays_on_its_line():
    notes = Notes()
    notes.count(SENTENCE, "a\nb\x1b[2J")
    assert notes.lines() == [r"1 folder was passed over: a\nb\x1b[2J."]


def test_examples_that_print_alike_are_named_once():
    notes = Notes()
    for name in ("e\u0301/", "\u00e9/"):
        notes.count(SENTENCE, name)
    assert notes.lines() == ["2 folders were passed over: e\u0301/."]


def test_a_fact_may_be_counted_at_once():
    notes = Notes()
    notes.count_all(SENTENCE, ["a", "b"], 7)
    assert notes.lines() == ["7 folders were passed over: a, b."]


def test_three_examples_are_named():
    notes = Notes()
    for number in range(2000):
        notes.count(SENTENCE, f"{number}")
    assert notes.lines() == ["2,000 folders were passed over: 0, 1, 2, …."]


def test_lines_are_in_the_order_of_the_first_count():
    notes = Notes()
    notes.count("{count} later: {examples}", "{count}", 5)
    notes.count(SENTENCE, "x")
    notes.count("{count} later: {examples}", "y")
    assert notes.lines() == ["6 later: {count}, y", "1 folder was passed over: x."]


def test_an_example_has_neither_credentials_nor_characters_that_move_a_cursor():
    notes = Notes()
    notes.count(SENTENCE, "ftp://me:pass@host/\x1b[2J\udcff\n")
    assert notes.lines() == ["1 folder was passed over: ftp://***@host/\\x1b[2J\\udcff\\n."]
