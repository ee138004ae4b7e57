"""Whether Chromium is installed, and must be."""

import os
import shutil

import pytest

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None and not os.environ.get("KERAS_CABVIT_REQUIRE_CHROMIUM"),
    reason="Chromium is not installed",
)
