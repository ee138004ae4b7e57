"""Classification of image files with Apache Beam, on Dataflow, Flink, Spark or one computer."""

try:
    import apache_beam  # noqa: F401
except ImportError as error:
    raise ImportError(
        'keras_cabvit.beam needs Apache Beam: pip install "keras-cabvit[beam]"'
    ) from error

from keras_cabvit.beam.decode_files import DecodeFiles
from keras_cabvit.beam.model_handler import ImageClassifierHandler
from keras_cabvit.beam.predict_files import PredictedFiles, PredictFiles
from keras_cabvit.beam.rows import PredictedFile, UnreadableFile

__all__ = [
    "DecodeFiles",
    "ImageClassifierHandler",
    "PredictFiles",
    "PredictedFile",
    "PredictedFiles",
    "UnreadableFile",
]
