from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_pictures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Draw no picture at the end of each small run: it takes longer than the run."""
    if "with_pictures" in request.fixturenames:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groklst_cli.pipeline.train.validation._draw", lambda panels, picture: None)
        yield


@pytest.fixture
def with_pictures() -> None:
    """Let a test's runs draw."""
