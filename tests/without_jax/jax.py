"""On the path of processes on TensorFlow, which imports JAX whenever it is installed.

That takes a third of TensorFlow's own import. Its users rarely have JAX beside it.
"""

raise ImportError("JAX is hidden from tests on TensorFlow.")
