"""Pages on which a photograph is dropped: with predictions and maps, or in the browser alone."""

from keras_cabvit.demo.photographs import Photographs
from keras_cabvit.demo.server import DemoServer
from keras_cabvit.demo.static_page import write_static_page

__all__ = ["DemoServer", "Photographs", "write_static_page"]
