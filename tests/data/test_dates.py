"""Dates as scenes and files state them."""

import json
from datetime import UTC, date, datetime

import numpy as np
import pytest
from affine import Affine

from groklst_cli.data.dates import Seen, name_with_date
from groklst_cli.data.scenes import seen_at

MORNING = datetime(2024, 7, 15, 3, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "day", "moment"),
    [
        ("2024-07-15", date(2024, 7, 15), None),
        ("20240715", date(2024, 7, 15), None),
        ("2024-07-15T03:42:00+00:00", date(2024, 7, 15), MORNING),
        ("2024-07-15T03:42:00Z", date(2024, 7, 15), MORNING),
        ("2024-07-15T03:42:00.25", date(2024, 7, 15), MORNING),
        ("2024-07-15T23:42:00-04:00", date(2024, 7, 16), MORNING.replace(day=16)),
        ("2024:07:15 03:42:00", date(2024, 7, 15), MORNING),
    ],
)
def test_what_is_stated_is_read_and_what_is_written_is_read_again(text, day, moment):
    seen = Seen.parse(text)
    assert seen == Seen(day, moment)
    for written in seen.tags.values():
        assert Seen.parse(written) == seen
    begin = moment or datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert seen.seconds == begin.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "unknown",
        "2024",
        "July",
        "2024-13-01",
        "0000:00:00 00:00:00",
        "9" * 8,
        "2024-02",
    ],
)
def test_words_of_another_form_state_nothing(text):
    assert Seen.parse(text) is None


def test_a_day_without_a_time_has_no_tag_of_tiff():
    assert Seen(date(2024, 7, 15)).tags == {"GROKLST_DATE": "2024-07-15"}


@pytest.mark.parametrize(
    ("name", "dated"),
    [
        ("valley", "valley_20240715"),
        ("20240715", "20240715"),
        ("20240715T034200_S2", "20240715T034200_S2"),
        ("town_2024-07-15", "town_2024-07-15"),
        ("20240716", "20240716_20240715"),
    ],
)
def test_a_name_holds_the_date_once(name, dated):
    assert name_with_date(name, Seen(date(2024, 7, 15), MORNING)) == dated
    assert name_with_date(name, None) == name


def test_a_scene_says_when_it_was_seen_before_its_raster_does(write_raster, tmp_path):
    tags = {"TIFFTAG_DATETIME": "2020:01:02 03:04:05"}
    lst = write_raster("lst.tif", np.ones((4, 4), np.float32), Affine(1, 0, 9, 0, -1, 9), tags=tags)
    assert str(seen_at(lst)) == "2020-01-02T03:04:05Z"
    (tmp_path / "scene.json").write_text(json.dumps({"date": "2024-07-15"}))
    assert str(seen_at(lst)) == "2024-07-15"
    (tmp_path / "scene.json").write_text(json.dumps({"date": "some day"}))
    assert str(seen_at(lst)) == "2020-01-02T03:04:05Z"
