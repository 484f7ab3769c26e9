"""Items computed ahead in a thread: order, errors, and an end that leaves no thread."""

import threading
import time

import pytest

from groklst_cli.geo.environment import gdal_environment, is_online, threads_of_environment
from groklst_cli.pipeline.predict.prefetch import ahead


def test_items_keep_their_order():
    with ahead(range(50), depth=3) as items:
        assert list(items) == list(range(50))


def test_an_error_is_raised_where_the_item_is_taken():
    def broken():
        yield 1
        raise KeyError("lost")

    with ahead(broken()) as items:
        assert next(items) == 1
        with pytest.raises(KeyError, match="lost"):
            next(items)


def test_leaving_early_ends_nested_threads_and_closes_the_source():
    closed = threading.Event()
    before = threading.active_count()

    def inner():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    def outer():
        with ahead(inner()) as items:
            yield from items

    with ahead(outer()) as items:
        next(items)
    assert closed.is_set()
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_it_does_not_run_far_ahead():
    made = []

    def source():
        for number in range(100):
            made.append(number)
            yield number

    with ahead(source(), depth=2) as items:
        next(items)
        time.sleep(0.3)
        assert len(made) <= 5


def test_it_runs_under_the_settings_of_who_asked():
    def settings():
        yield is_online(), threads_of_environment()

    for online, threads in ((False, 3), (True, 1)):
        with gdal_environment(online=online, threads=threads), ahead(settings()) as items:
            assert list(items) == [(online, threads)]
