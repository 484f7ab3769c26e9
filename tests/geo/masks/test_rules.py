"""Quality rules: every bit and class by its official meaning."""

import numpy as np
import pytest

from groklst_cli.errors import UsageError
from groklst_cli.geo.masks import RULES, parse_rule


def is_clear(rule, *values, dtype="int64"):
    return parse_rule(rule).clear(np.array(values, dtype)).tolist()


@pytest.mark.parametrize("name", RULES)
def test_a_name_stands_for_its_rule_alone(name):
    assert parse_rule(name) is RULES[name]
    assert parse_rule(name).text == name


@pytest.mark.parametrize(
    ("bit", "clear"),
    [
        (0, False),  # fill
        (1, False),  # dilated cloud
        (2, False),  # cirrus
        (3, False),  # cloud
        (4, False),  # cloud shadow
        (5, True),  # snow
        (6, True),  # clear
        (7, True),  # water
        *((bit, True) for bit in range(8, 16)),  # confidence, from which bits 2 to 5 follow
    ],
)
def test_every_bit_of_landsat(bit, clear):
    assert is_clear("landsat-qa", 1 << bit) == [clear]
    assert is_clear("landsat-qa", 1 << bit, dtype="uint16") == [clear]


def test_codes_that_landsat_files_hold():
    # 21824: clear land, 21952: clear water (8-9); 5440, 5504: the same (4-7); 22280: cloud;
    # 23888: cloud shadow; 54596: cirrus; 1: fill.
    codes = (21824, 21952, 5440, 5504, 22280, 23888, 54596, 1)
    assert is_clear("landsat-qa", *codes) == [True] * 4 + [False] * 4


@pytest.mark.parametrize("error", range(4))
@pytest.mark.parametrize("mandatory", range(4))
def test_every_pair_of_modis(mandatory, error):
    clear = mandatory == 0 or (mandatory == 1 and error <= 1)
    for data_quality in range(4):
        for emissivity in range(4):
            code = mandatory | data_quality << 2 | emissivity << 4 | error << 6
            assert is_clear("modis-lst-qc", code, dtype="uint8") == [clear]


@pytest.mark.parametrize("accuracy", range(4))
@pytest.mark.parametrize("cloud", range(4))
@pytest.mark.parametrize("mandatory", range(4))
def test_every_pair_of_the_21_products(mandatory, cloud, accuracy):
    clear = cloud == 0 and (mandatory == 0 or (mandatory == 1 and accuracy >= 2))
    for others in (0, 0b11_1111_1100_0000, 0b1100):
        code = mandatory | cloud << 4 | accuracy << 14 | others
        assert is_clear("lst-21-qc", code, dtype="uint16") == [clear]


@pytest.mark.parametrize("mandatory", range(4))
def test_every_quality_of_ecostress(mandatory):
    for others in (0, 39872 & ~3, 0b11_1111_1111_1100, 0x7FFC):
        assert is_clear("ecostress", mandatory | others, dtype="uint16") == [mandatory <= 1]


def test_fills_of_ecostress_are_not_clear():
    assert is_clear("ecostress", 65535, -99999) == [False, False]


@pytest.mark.parametrize(
    ("bit", "clear"),
    [
        (0, True),  # cirrus, reserved and not used
        (1, False),  # cloud
        (2, False),  # adjacent to cloud or shadow
        (3, False),  # cloud shadow
        (4, True),  # snow or ice
        (5, True),  # water
        (6, True),  # aerosol
        (7, True),  # aerosol
    ],
)
def test_every_bit_of_fmask(bit, clear):
    assert is_clear("hls-fmask", 1 << bit, dtype="uint8") == [clear]


def test_aerosol_alone_is_clear_and_the_fill_is_not():
    assert is_clear("hls-fmask", 0, 64, 128, 192, 255) == [True] * 4 + [False]


@pytest.mark.parametrize("value", range(12))
def test_every_class_of_sentinel_2(value):
    assert is_clear("s2-scl", value, dtype="uint8") == [value in (4, 5, 6)]


@pytest.mark.parametrize("bit", range(32))
def test_bits_must_be_unset(bit):
    assert is_clear(f"bits={bit}", 1 << bit, 0, (2**32 - 1) ^ (1 << bit)) == [False, True, True]


def test_any_of_several_bits_counts():
    assert is_clear("bits=3,4", 0, 8, 16, 24, 7) == [True, False, False, False, True]


def test_values_and_not_are_opposites():
    values = np.arange(-5, 260)
    some = parse_rule("values=4,5,6,-1").clear(values)
    assert values[some].tolist() == [-1, 4, 5, 6]
    assert (parse_rule("not=4,5,6,-1").clear(values) == ~some).all()


def test_a_plain_mask_is_clear_where_it_is_1():
    assert is_clear("", 0, 1, 2, 255) == [False, True, False, False]


@pytest.mark.parametrize("rule", ["", *RULES, "bits=3", "values=0,1,4", "not=3"])
def test_what_holds_no_value_is_not_clear(rule):
    values = np.array([np.nan, np.inf, -np.inf, 4.5, 1e30])
    assert not parse_rule(rule).clear(values).any()
    stored = np.array([[0, 1], [4, 5]], np.uint8)
    assert not parse_rule(rule).clear(stored, np.zeros((2, 2), bool)).any()
    whole = parse_rule(rule).clear(stored)
    assert (parse_rule(rule).clear(stored.astype("float32")) == whole).all()
    assert (parse_rule(rule).clear(stored, stored > 0) == (whole & (stored > 0))).all()


@pytest.mark.parametrize("rule", ["landsat-qa", "modis-lst-qc", "ecostress", "bits=0"])
def test_no_bit_of_a_negative_fill_is_looked_at(rule):
    assert is_clear(rule, -9999, -32768, -99999, -1, -2) == [False] * 5


@pytest.mark.parametrize(
    "text", ["landsat", "bits", "bits=", "bits=x", "bits=-1", "bits=32", "values=1.5", "not=,", "="]
)
def test_what_is_no_rule_is_refused_with_those_there_are(text):
    with pytest.raises(UsageError, match="the mask's rule"):
        parse_rule(text)
