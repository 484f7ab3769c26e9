"""Parts of pages: what they hold stands for itself, and can be read without colours."""

import base64
import hashlib
import html
import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from groklst_cli.pages import parts
from groklst_cli.pages.histogram import histograms
from groklst_cli.pages.maps import colour_bar, data_uri, png, ticks
from groklst_cli.pages.page import mark, page

HARM = "</title><script>alert(1)</script>\" onload='x' &amp; \u202e"
TABLES = ("inferno", "viridis", "cividis")


def test_a_page_runs_its_own_script_alone():
    text = page("t", "f", "<p>b</p>", of="test")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert f'content="{mark("test")} ' in text[:300]
    assert '<html lang="en">' in text
    assert 'name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"https?://|@import|url\(|eval\(|<link|\son\w+=", text)


def test_texts_stand_for_themselves_wherever_they_are():
    image = parts.image("data:,", HARM)
    made = [
        page(HARM, HARM, "", of="test"),
        image,
        parts.figure(image, HARM),
        parts.slider("data:,", "data:,", (HARM, HARM)),
        parts.words([(HARM, HARM)]),
        parts.table([HARM], [], {HARM: HARM}),
        parts.notes([HARM]),
        colour_bar("inferno", (0, 1), HARM),
        histograms(np.ones(3), np.ones(3), (HARM, HARM), HARM, (0, 2)),
    ]
    for text in made:
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "' onload" not in text
        assert "\u202e" not in text
        for attribute in re.findall(r'(?:alt|title|aria-label)="([^"]*)"', text):
            assert "<" not in attribute


def test_credentials_do_not_get_into_a_page():
    assert "hidden" not in parts.text("https://me:hidden@host/lst.tif?token=hidden")


def test_a_slider_has_a_label_of_its_own():
    one, other = (parts.slider("data:,", "data:,", ("a", "b")) for _ in range(2))
    names = [re.search(r'<input type="range" id="([^"]+)"', text)[1] for text in (one, other)]
    assert names[0] != names[1]
    assert f'<label for="{names[0]}">' in one


@pytest.mark.parametrize("colours", TABLES)
def test_a_map_has_a_pixel_for_each_value_and_none_where_there_is_none(colours):
    values = np.linspace(290, 310, 35).reshape(5, 7)
    values[2, 3] = np.nan
    drawn = Image.open(io.BytesIO(png(values, colours, (295, 305))))
    index = np.asarray(drawn)
    assert index.shape == values.shape
    assert index[2, 3] == 0
    assert np.asarray(drawn.convert("RGBA"))[2, 3, 3] == 0
    known = np.isfinite(values)
    assert index[known].min() == 1
    assert index[known].max() == 255
    assert (index[values < 295] == 1).all()
    assert (index[values > 305] == 255).all()
    steps = index[known].astype(int)
    assert (np.diff(steps) >= 0).all()


@pytest.mark.parametrize("colours", TABLES)
def test_every_table_is_ordered_in_lightness(colours):
    """A print without colours shows the same order, about zero too."""
    drawn = Image.open(io.BytesIO(png(np.arange(255.0)[None], colours, (0, 254))))
    colour = np.asarray(drawn.convert("RGB"))[0] / 255
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance[::5]) > 0).all()


def test_a_map_is_small():
    values = np.random.default_rng(0).normal(0, 1, (300, 300))
    picture = png(values, "inferno", (-2, 2))
    assert struct.unpack(">II", picture[16:24]) == (300, 300)
    assert len(data_uri(picture)) < 1.4 * values.size


@pytest.mark.parametrize("limits", [(0, 1), (294.53, 306.2), (-0.05, 0.05), (1e-4, 3e-4), (0, 900)])
def test_ticks_are_few_round_numbers_in_order(limits):
    found = ticks(limits)
    values = [value for value, _ in found]
    assert 2 <= len(found) <= 7
    assert values == sorted(values)
    assert all(limits[0] - 1e-9 <= value <= limits[1] + 1e-9 for value in values)
    for value, said in found:
        assert float(said.replace("−", "-")) == pytest.approx(value, abs=1e-9)


def test_histograms_add_up():
    rng = np.random.default_rng(0)
    coarse, fine = rng.normal(300, 2, 500), rng.normal(300, 3, 5000)
    coarse[::7] = np.nan
    text = histograms(coarse, fine, ("coarse", "fine"), "LST (K)", (290, 310))
    assert text.count('class="step"') == 2
    assert "coarse" in text
    (area,) = re.findall(r'<path class="area" d="([^"]+)"', text)
    assert "nan" not in area


def test_histograms_of_nothing_are_empty():
    none = np.full((3, 3), np.nan)
    assert "nan" not in histograms(none, none, ("coarse", "fine"), "LST (K)", (0, 1))
