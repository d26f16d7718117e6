"""What the tests of this folder share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.writers import make_states


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The store and files after each step of the main job."""
    return make_states(tmp_path_factory.mktemp("states"))
