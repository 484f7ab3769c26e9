"""Lists as spreadsheets save them are read; lists made to harm end in one line before any scene."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from groklst_cli.commands.listed import ListedRequests
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.job import Job, Parts
from groklst_cli.pipeline.downscale.many_scenes import refuse_collisions
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.scene_list import SceneRow, read_scene_list
from groklst_cli.pipeline.evaluate.protocol import parse_protocol
from tests.trust.refusal import Case, refuse

PLAIN = "lst,output,scale\nday.tif,fine.tif,4\n"
SPREADSHEETS = {
    "plain": PLAIN.encode(),
    "byte-order mark": PLAIN.encode("utf-8-sig"),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "capitals": PLAIN.replace("lst,output,scale", "LST,Output,SCALE").encode(),
    "spaces": PLAIN.replace("lst,output,scale", " lst , output , scale ").encode(),
    "quoted": b'"lst";"output";"scale"\n"day.tif";"fine.tif";"4"\n',
    "separator stated": b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
    "separator quoted": b'"sep=\t"\r\n' + PLAIN.replace(",", "\t").encode(),
    "empty column": b"lst,output,scale,,\nday.tif,fine.tif,4,,\n",
    "empty lines": PLAIN.encode() + b",,\r\n\r\n;;\n".replace(b";", b","),
    "all of it": b"\xef\xbb\xbfSEP=;\r\nLST;Output;Scale;\r\n;;;\r\nday.tif;fine.tif;4;\r\n;;;\r\n",
}


@pytest.mark.parametrize("content", SPREADSHEETS.values(), ids=SPREADSHEETS.keys())
def test_a_list_is_read_however_a_spreadsheet_saves_it(tmp_path, content):
    (tmp_path / "list.csv").write_bytes(content)
    (row,) = read_scene_list(tmp_path / "list.csv")
    assert row.cells == {"lst": ("day.tif",), "output": ("fine.tif",), "scale": ("4",)}


def test_commas_in_cells_are_of_the_cells_where_semicolons_part_them(tmp_path):
    (tmp_path / "list.csv").write_text("lst;guide\nday.tif;nir=n.tif,band=2\n")
    (row,) = read_scene_list(tmp_path / "list.csv")
    assert row.cells["guide"] == ("nir=n.tif,band=2",)


def test_words_of_a_key_may_be_apart(tmp_path):
    (tmp_path / "list.csv").write_text("LST;LST Units\nday.tif;K\n")
    (row,) = read_scene_list(tmp_path / "list.csv")
    assert row.cells["lst_units"] == ("K",)


def bad(name: str, content: bytes | str, *says: str, file: str = "list.csv") -> object:
    """Put down a row: a list, and words of the line about it."""
    raw = content.encode() if isinstance(content, str) else content
    case = Case(name, ("downscale", "--batch-file", file, "-q"), 2, (file, *says))
    return pytest.param(raw, case, id=name.replace(" ", "-"))


def bad_json(name: str, content: str, *says: str) -> object:
    return bad(name, content, *says, file="list.jsonl")


LISTS = [
    bad("UTF-16", PLAIN.encode("utf-16"), "UTF-16", "save it as UTF-8"),
    bad("UTF-16 the other way", b"\xfe\xff" + PLAIN.encode("utf-16-be"), "UTF-16"),
    bad("UTF-16 without a mark", PLAIN.encode("utf-16-le"), "line 1 contains a NUL"),
    bad("Latin-1", "lst\nété.tif\n".encode("latin-1"), "not UTF-8", "save it as UTF-8"),
    bad("NUL in a cell", "lst\na\0.tif\n", "line 2 contains a NUL"),
    bad("column of no name", "lst,,output\na.tif,x,b.tif\n", "'' is not a key of a scene"),
    bad("cell too many", "lst,output\na.tif,b.tif,c.tif\n", "3 cells, the header has 2"),
    bad("cell too few", "lst;output\na.tif\n", "1 cells, the header has 2"),
    bad("column twice by case", "lst,LST\na.tif,b.tif\n", "names lst twice"),
    bad("separator alone", "sep=;\n", "no column lst"),
    bad("quote left open", 'lst;output\n"a.tif;b.tif\n', "quote cells"),
    bad("only empty lines", "lst,output\n,\n,\n", "no scene"),
    bad_json("lone surrogate", '{"lst": "a\\ud800.tif"}\n', "line 1", "half a character"),
    bad_json(
        "surrogate in a guide",
        '{"lst": "a.tif"}\n{"lst": "b.tif", "guide": ["x", "\\udfff"]}\n',
        "line 2",
        "guide holds half a character (\\udfff)",
    ),
    bad_json("NUL in JSON", '{"lst": "a\\u0000.tif"}\n', "line 1", "lst holds a NUL"),
    bad_json("NUL in an output", '{"lst": "a.tif", "output": "b\\u0000"}\n', "output holds a NUL"),
    bad_json("key of control characters", '{"\\u001b[2J": 1}\n', "not a key of a scene"),
    bad_json("endless list", "[" * 10**5 + "\n", "not JSON"),
    bad_json("digits without end", '{"lst": ' + "9" * 5000 + "}\n", "not JSON"),
]


@pytest.mark.parametrize(("content", "case"), LISTS)
def test_a_list_that_makes_no_sense_is_one_line(tmp_path, monkeypatch, capfd, content, case):
    monkeypatch.chdir(tmp_path)
    Path(case.words[2]).write_bytes(content)
    refuse(case, capfd)


@pytest.mark.parametrize("name", ["a\udcff.tif", "été ☀.tif"])
def test_a_name_that_the_system_can_hold_is_none_of_these(tmp_path, name):
    (tmp_path / "list.jsonl").write_text(json.dumps({"lst": name}) + "\n")
    (row,) = read_scene_list(tmp_path / "list.jsonl")
    assert row.get("lst") == name


@pytest.mark.parametrize("kind", ["[]", "{}", "[[1]]", "1", "1.5", "true", "'wald '"])
def test_a_protocol_of_no_kind_is_refused(kind):
    with pytest.raises(InputError, match=r"kind is .*, not wald or cross-sensor"):
        parse_protocol(f"kind = {kind}\n", "p.toml")


class TestRows:
    """What lies in the folder of an unfinished run, written by anybody."""

    SHAPE = (4, 6)

    def rows(self, folder: Path, values: np.ndarray) -> Parts:
        parts = Parts(folder, "lst")
        parts.save(1, values)
        return parts

    def test_a_row_as_it_must_be_is_taken(self, tmp_path):
        turned = np.asfortranarray(np.random.default_rng(0).normal(size=self.SHAPE), np.float32)
        parts = self.rows(tmp_path, turned)
        assert parts.done(1, self.SHAPE)
        np.testing.assert_array_equal(parts.load(1), turned)

    @pytest.mark.parametrize(
        "values",
        [
            np.ones((1, 6), np.float32),
            np.ones((6, 4), np.float32),
            np.ones((4, 6, 1), np.float32),
            np.ones(24, np.float32),
            np.ones((4, 6), np.float64),
            np.ones((4, 6), np.float16),
            np.ones((4, 6), np.int32),
            np.ones((4, 6), ">f4"),
            np.ones((4, 3), np.complex64),
            np.full((4, 6), "a"),
            np.float32(1),
        ],
        ids=lambda values: f"{values.dtype}{values.shape}",
    )
    def test_a_row_of_another_shape_or_type_is_made_again(self, tmp_path, values):
        parts = self.rows(tmp_path, values)
        assert not parts.done(1, self.SHAPE)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "text",
        [
            *("Infinity", "-Infinity", "NaN", "[]", "null", "{}", '"4"', "true", "4.5", "0", "-1"),
            *("1e999", "9" * 5000, "99999999", "[" * 10**5, "", "\x00"),
        ],
        ids=lambda text: text[:9],
    )
    def test_a_number_that_is_none_is_chosen_anew(self, tmp_path, text):
        with Job(tmp_path / "out.tif", {}, resume=True, overwrite=False) as job:
            (job.folder / "batch.json").write_text(text)
            assert job.recall("batch", lambda: 4) == 4
            assert job.recall("batch", lambda: 5) == 4


def test_what_reads_lists_raises_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    alphabet = [*'lst,;\t\n\r"{}[]:=\\', "output", "\0", "\ud800", "é", "sep=", "\ufeff"]
    for _ in range(300):
        text = "".join(rng.choice(alphabet, size=int(rng.integers(1, 40))))
        for suffix in (".csv", ".jsonl"):
            path = tmp_path / f"list{suffix}"
            path.write_bytes(("lst\n" + text).encode("utf-8", "surrogatepass"))
            try:
                list(read_scene_list(path))
            except (UsageError, InputError):
                continue


class TestLength:
    """Lists of any length."""

    @pytest.fixture
    def asked(self, tmp_path, monkeypatch):
        monkeypatch.setattr("groklst_cli.commands.listed._FEW", 3)
        monkeypatch.setattr("groklst_cli.commands.listed._OFTEN", 2)

        def ask(count: int) -> ListedRequests:
            rows = "".join(f"{number}.tif\n" for number in range(count))
            (tmp_path / "list.csv").write_text("lst\n" + rows)
            return ListedRequests(tmp_path / "list.csv", self.request, self.said.append)

        self.said: list[str] = []
        return ask

    def request(self, row: SceneRow) -> Request:
        name = row.cells["lst"][0]
        return Request(BandSource(name), Path(f"out_{name}"), scale=2)

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
    def test_every_pass_gives_all_scenes_in_order(self, asked, count):
        requests = asked(count)
        names = [f"{number}.tif" for number in range(count)]
        for _ in range(2):
            assert [request.lst.path for request in requests] == names
        assert len(requests) == count

    def test_a_long_list_says_how_far_it_is_read(self, asked, tmp_path):
        asked(5)
        assert self.said == [f"{tmp_path / 'list.csv'}: {n} scenes read" for n in (2, 4)]

    def test_a_long_list_that_changes_is_refused(self, asked, tmp_path):
        requests = asked(5)
        (tmp_path / "list.csv").write_text("lst\nother.tif\nother.tif\n")
        with pytest.raises(InputError, match="changed while its scenes were being downscaled"):
            list(requests)

    def test_a_short_list_may_change(self, asked, tmp_path):
        requests = asked(3)
        (tmp_path / "list.csv").write_text("lst\nother.tif\n")
        assert [request.lst.path for request in requests] == ["0.tif", "1.tif", "2.tif"]

    def test_a_bad_line_is_found_before_any_scene(self, asked, tmp_path):
        (tmp_path / "list.csv").write_text("lst\n" + "a.tif\n" * 8 + "a.tif,b.tif\n")
        with pytest.raises(UsageError, match="line 10"):
            ListedRequests(tmp_path / "list.csv", self.request)

    def test_collisions_are_found_among_any_number(self, asked):
        refuse_collisions(asked(9))
        twice = [self.request(SceneRow("", {"lst": (name,)})) for name in ("a", "b", "c", "b")]
        with pytest.raises(UsageError, match="b and b would both be written to out_b"):
            refuse_collisions(twice)
        twice[3] = Request(BandSource("d"), Path("./a"), scale=2)
        with pytest.raises(UsageError, match="a would be written for d, but it is an input"):
            refuse_collisions(twice)

    def test_memory_does_not_grow_with_the_list(self, asked, tmp_path):
        def taken(count: int) -> int:
            asked(count)  # writes the list
            tracemalloc.start()
            try:
                refuse_collisions(ListedRequests(tmp_path / "list.csv", self.request))
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        few, many = taken(50), taken(1050)
        assert many - few < 1000 * 100  # bytes a scene; a request alone takes over a thousand
