"""Files of data as people have them: how they are written is found out, and what cannot be read is refused."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lrsweep
from lrsweep.problems._files import open_table

PLAIN = "x,word,y\n0.5,é,1\n1.5,b,3\n"
EUROPEAN = "x;word;y\n0,5;é;1\n1,5;b;3\n"


def zipped(*names: str) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in names:
            archive.writestr(name, PLAIN)
    return whole.getvalue()


def parquet() -> bytes:
    return pd.DataFrame({"x": [0.5, 1.5], "word": ["é", "b"], "y": [1, 3]}).to_parquet()


WRITTEN: dict[str, tuple[bytes, dict[str, str]]] = {
    "commas": (PLAIN.encode(), {}),
    "lines of Windows": (PLAIN.replace("\n", "\r\n").encode(), {}),
    "lines of old Macs": (PLAIN.replace("\n", "\r").encode(), {}),
    "blank lines first": (f"\n\n{PLAIN}".encode(), {}),
    "byte order mark": (PLAIN.encode("utf-8-sig"), {}),
    "UTF-16": (PLAIN.encode("utf-16"), {"encoding": "utf-16"}),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "Windows": (PLAIN.encode("cp1252"), {"encoding": "cp1252"}),
    "semicolons": (EUROPEAN.encode(), {"delimiter": "semicolons", "numbers": "with decimal commas"}),
    "tabs": (PLAIN.replace(",", "\t").encode(), {"delimiter": "tabs"}),
    "bars": (PLAIN.replace(",", "|").encode(), {"delimiter": "bars"}),
    "spaces": (PLAIN.replace(",", "   ").encode(), {"delimiter": "spaces"}),
    "names in single quotes": (PLAIN.replace("x,word,y", "'x','word','y'").encode(), {}),
    "gzip": (gzip.compress(PLAIN.encode()), {"compression": "gzip"}),
    "bzip2": (bz2.compress(PLAIN.encode()), {"compression": "bzip2"}),
    "xz": (lzma.compress(PLAIN.encode()), {"compression": "xz"}),
    "zip": (zipped("x.csv"), {"compression": "zip"}),
    "zip of a Mac": (zipped("x.csv", "__MACOSX/._x.csv"), {"compression": "zip"}),
    "Parquet": (parquet(), {"format": "Parquet"}),
}


@pytest.mark.parametrize(("content", "dialect"), WRITTEN.values(), ids=WRITTEN)
def test_a_table_is_the_same_however_it_is_written(content: bytes, dialect: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    opened = open_table(path)
    assert opened.table.to_dict("list") == {"x": [0.5, 1.5], "word": ["é", "b"], "y": [1, 3]}
    assert (opened.name, opened.dialect) == ("data.csv", dialect)


def test_standard_input_is_read_as_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(PLAIN.encode()))))
    opened = open_table("-")
    assert (opened.table["x"].tolist(), opened.file) == ([0.5, 1.5], "standard input")


NUMBERS: dict[str, tuple[list[str], list[float]]] = {
    "decimal commas": (["1,5", "2", "-0,25"], [1.5, 2, -0.25]),
    "points of thousands and decimal commas": (["1.234,5", "2"], [1234.5, 2]),
    "commas of thousands": (["1,234,567", "2", "3,000.5"], [1234567, 2, 3000.5]),
    "percent": (["5%", "12.5 %"], [5, 12.5]),
    "currencies": (["$1,200", "$950"], [1200, 950]),
    "marks of what is missing": (["1", "?", "2.5"], [1, float("nan"), 2.5]),
    "exponents": (["1e3", "-"], [1000, float("nan")]),
}


@pytest.mark.parametrize(("written", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_read_however_they_are_written(written: list[str], expected: list[float], tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("\n".join(["x,y", *(f'"{text}",1' for text in written)]))
    pd.testing.assert_series_equal(open_table(path).table["x"], pd.Series(expected, name="x"), check_dtype=False)


@pytest.mark.parametrize("written", [["1", "low"], ["2024-01-02", "2024-01-03"], ["1,2,3", "4"], ["5%", "x%"]])
def test_words_stay_words_where_one_of_them_is_no_number(written: list[str], tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("\n".join(["x,y", *(f'"{text}",1' for text in written)]))
    assert open_table(path).table["x"].tolist() == written


def test_lines_within_quotes_are_one_field(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('x,note,y\n1,"a\nb, c",2\n3,"""d""",4\n')
    assert open_table(path).table["note"].tolist() == ["a\nb, c", '"d"']


REFUSED: dict[str, tuple[bytes, str]] = {
    "two files in one": (zipped("a.csv", "b.csv"), r"holds 2 files \(a.csv, b.csv\): it must hold one"),
    "a workbook": (zipped("[Content_Types].xml", "xl/workbook.xml"), "is a workbook or another document: save its"),
    "half of a gzip": (gzip.compress(PLAIN.encode() * 99)[:60], "cannot be decompressed: EOFError"),
    "half of a zip": (zipped("x.csv")[:40], "cannot be decompressed: BadZipFile"),
    "half of a Parquet": (parquet()[:99], "cannot be read as Parquet"),
    "half of UTF-16": (PLAIN.encode("utf-16")[:-1], "is no text in utf-16"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "holds bytes that are no text"),
    "nothing": (b"", "has no header"),
    "numbers only": (b"1,2\n3,4\n", "has no header: its first row is '1, 2'"),
    "two columns of one name": (b"x,x\n1,2\n", "two columns 'x': names must differ"),
    "a column without a name": (b"x,,y\n1,2,3\n", "column 2 has no name: give it one, or take it out"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(lrsweep.InputError, match=said) as raised:
        open_table(path)
    assert "data.csv" in str(raised.value)


def test_a_data_frame_is_taken_as_it_is() -> None:
    table: Any = pd.DataFrame({1: [0.5, 1.0], "y": [1, 2]})
    assert open_table(table).table.to_dict("list") == {"1": [0.5, 1.0], "y": [1, 2]}
