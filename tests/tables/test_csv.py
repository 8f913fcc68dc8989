"""CSV: words, numbers and what is missing are told apart, in what lrsweep wrote and in what others did."""

import csv
import io
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lrsweep.tables._csv import MISSING, read_foreign, read_written, write_csv

# What a reader may take for something else than text.
ODD = sorted(
    [*MISSING, "0", "1.5", "1e5", "inf", "-inf", "Infinity", "True", "false", " a", "a ", "\t", "a,b", '"', '""']
)
ODD += ['a"b', "a\nb", "a\r\nb", "\n", "\r", "#", "'", "ä", "\u2028", "1,5", "nan,", "x" * 200_000]


def text() -> st.SearchStrategy[str]:
    plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
    return st.one_of(st.sampled_from(ODD[:-1]), plain)


def back(table: pd.DataFrame) -> pd.DataFrame:
    """The table, written and read."""
    names = [table.index.name, *table.columns] if table.index.name is not None else list(table.columns)
    return read_written(write_csv(table).encode(), names, [])


@settings(deadline=None)
@given(
    words=st.lists(st.one_of(st.none(), text()), min_size=1, max_size=8), other=st.lists(text(), min_size=8, max_size=8)
)
@example(words=[None, "nan"], other=["1"] * 8)
@example(words=["", ""], other=[""] * 8)
@example(words=["true", "None"], other=["a\nb"] * 8)
def test_any_text_comes_back_and_what_is_missing_stays_so(words: list[str | None], other: list[str]) -> None:
    table = pd.DataFrame(
        {"words": words, "seed": range(len(words)), "other": other[: len(words)], "x": 0.1}, dtype=object
    )
    table = table.astype({"words": "str", "other": "str", "seed": int, "x": float})
    read = back(table)
    assert [None if pd.isna(value) else value for value in read["words"]] == words
    assert read["other"].tolist() == other[: len(words)]
    assert (read["seed"].tolist(), set(read["x"])) == (list(range(len(words))), {0.1})


def test_words_of_every_kind_come_back() -> None:
    assert back(pd.DataFrame({"seed": 0, "words": ODD}))["words"].tolist() == ODD
    for word in ODD:
        assert back(pd.DataFrame({"words": [word, word], "seed": 0}))["words"].tolist() == [word, word]


@settings(deadline=None)
@given(numbers=st.lists(st.floats(), min_size=1, max_size=8))
def test_floats_come_back_to_the_same_bits(numbers: list[float]) -> None:
    read = back(pd.DataFrame({"x": [*numbers, 0.5], "words": "None"}))["x"].to_numpy()
    wanted = np.array([*numbers, 0.5])
    is_number = ~np.isnan(wanted)
    assert (read[is_number].view(np.int64) == wanted[is_number].view(np.int64)).all()
    assert np.isnan(read[~is_number]).all()


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, -(2**63), 2**63 - 1]),
        pd.Series([2**64 - 1, 0], dtype="uint64"),
        pd.Series([True, False]),
        pd.Series([1.0, 10.0, 2.0**70]),
        pd.Series(["b", "a", "b"], dtype="category").astype("str"),
    ],
)
def test_a_column_comes_back_with_its_dtype(column: pd.Series) -> None:
    read = back(pd.DataFrame({"x": column, "words": "NA"}))["x"]
    pd.testing.assert_series_equal(read, column, check_names=False)


def test_missing_counts_and_truths_stay_missing() -> None:
    counts, truths = pd.Series([3, None], dtype="Int64"), pd.Series([True, None], dtype=object)
    read = back(pd.DataFrame({"counts": counts, "truths": truths}))
    np.testing.assert_equal(read["counts"].tolist(), [3.0, math.nan])
    np.testing.assert_equal(read["truths"].tolist(), [True, math.nan])


def test_an_index_of_words_comes_back() -> None:
    table = pd.DataFrame({"x": [0.1, 0.2]}, index=pd.Index(["None", "round 1, 3"], name="trial"))
    assert back(table)["trial"].tolist() == ["None", "round 1, 3"]
    assert write_csv(table.reset_index(drop=True)) == "x\n0.1\n0.2\n"


@settings(deadline=None)
@given(rows=st.lists(st.lists(text(), min_size=3, max_size=3), min_size=1, max_size=6))
def test_another_reader_of_csv_sees_the_same_fields(rows: list[list[str]]) -> None:
    written = write_csv(pd.DataFrame(rows, columns=pd.Index(list("abc"))))
    assert list(csv.reader(io.StringIO(written, newline=""), strict=True)) == [list("abc"), *rows]


def test_what_an_earlier_version_wrote_still_reads() -> None:
    # It wrote a missing text, and a missing truth, as nan, and words without quotes.
    content = b"trial,norm,flag,x,steps\n0,nan,True,nan,3\n1,None,nan,0.5,\n2,batch,False,inf,4\n"
    read = read_written(content, ["trial", "norm", "flag", "x", "steps"], ["steps"])
    np.testing.assert_equal(read["norm"].tolist(), [math.nan, "None", "batch"])
    np.testing.assert_equal(read["flag"].tolist(), [True, math.nan, False])
    np.testing.assert_equal(read["x"].tolist(), [math.nan, 0.5, math.inf])


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        (["None", "NA", "null", '""', "batch"], ["None", "NA", "null", "", "batch"]),
        (["None", "nan", "", "N/A", "a"], ["None", "nan", math.nan, "N/A", "a"]),
        (["None", "None", "None", "None", "NA"], ["None", "None", "None", "None", "NA"]),
        (['""', '""', "", '""', '""'], ["", "", math.nan, "", ""]),
        (["NA", "0.1", "", "null", "2"], [math.nan, 0.1, math.nan, math.nan, 2.0]),
        (["nan", "", "NaN", "nan", ""], [math.nan] * 5),
        (["1", "2", "3", "4", "9" * 30], [1.0, 2.0, 3.0, 4.0, 1e30]),
        (["1", "2", "3", "", "9" * 400], [1.0, 2.0, 3.0, math.nan, math.inf]),
        (["True", "False", "", "NA", "True"], [True, False, math.nan, math.nan, True]),
        (['"0.1"', '"0.2"', '"1"', '"2"', '"3"'], [0.1, 0.2, 1.0, 2.0, 3.0]),
        (['"a,b"', " b", ' "c"', '"d""e"', '""'], ["a,b", "b", "c", 'd"e', ""]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_words_of_a_file_that_anyone_wrote_are_words(fields: list[str], values: list[Any], end: str) -> None:
    lines = ["before,words,after", *(f'{row},{field},"x, ""{row}"""' for row, field in enumerate(fields)), ""]
    read = read_foreign(end.join(lines).encode(), ["before", "words", "after"])
    np.testing.assert_equal(read["words"].tolist(), values)
    assert read["after"].tolist() == [f'x, "{row}"' for row in range(5)]


def test_blank_lines_and_a_byte_order_mark_are_no_rows() -> None:
    content = '\ufeff"words",x\n\n  \n"",1\n\na,2\n"None",\n'.encode()
    read = read_foreign(content, ["words", "x"])
    assert read["words"].tolist() == ["", "a", "None"]
    np.testing.assert_equal(read["x"].tolist(), [1.0, 2.0, math.nan])
