"""Clients for TF Serving with an exported CabViT; they need neither Keras nor TensorFlow."""

from keras_cabvit.serving.answer import Answer, ServerError, ServerUnavailable, VersionStatus
from keras_cabvit.serving.file_answers import FileAnswer, RequestFailed, classify_files
from keras_cabvit.serving.grpc_client import GrpcClient, classify_over_grpc
from keras_cabvit.serving.rest_client import RestClient, classify_over_rest
from keras_cabvit.serving.target import Target

__all__ = [
    "Answer",
    "FileAnswer",
    "GrpcClient",
    "RequestFailed",
    "RestClient",
    "ServerError",
    "ServerUnavailable",
    "Target",
    "VersionStatus",
    "classify_files",
    "classify_over_grpc",
    "classify_over_rest",
]
