import pytest
import tensorflow as tf
from stand_ins import FILES, http_server, rest_answers


@pytest.fixture(scope="module")
def signatures(served):
    signatures = served.runtime.signatures
    signatures["serving_bytes"](image_bytes=tf.constant(FILES))  # the first call compiles
    return signatures


@pytest.fixture(scope="module")
def rest(signatures):
    with http_server(rest_answers(signatures)) as url:
        yield url
