"""The memory of TensorFlow's tensors, from its profiler.

The size of the process does not show it: with oneDNN, TensorFlow keeps freed memory.
"""

import tempfile
from pathlib import Path


def peak_tensor_bytes(run):
    """Returns the peak memory of a run's tensors, without those that existed before.

    The profiler does not record tensors below some hundred kilobytes. Scratch memory of operations
    and gaps between tensors are not counted.

    Args:
        run: function that runs on TensorFlow and waits for its result. It is called once.

    Returns:
        An integer, bytes.

    Raises:
        RuntimeError: TensorFlow recorded nothing, as only its allocator for oneDNN does.
    """
    sizes, now, most = {}, 0, 0
    for event in sorted(_events(run), key=lambda event: event["time"]):
        if event["name"] == "MemoryAllocation":
            sizes[event["addr"]] = event["requested_bytes"]
            now += event["requested_bytes"]
            most = max(most, now)
        else:
            now -= sizes.pop(event["addr"], 0)
    if not most:
        raise RuntimeError(
            "TensorFlow kept no record of its tensors' memory. It does so with oneDNN, which "
            "TF_ENABLE_ONEDNN_OPTS=1 switches on before TensorFlow is imported."
        )
    return most


def _events(run):
    """Yields a dict for each allocation and each release of memory in a run."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(
            host_tracer_level=2, python_tracer_level=0
        )
        with tf.profiler.experimental.Profile(folder, options):
            run()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if name in ("MemoryAllocation", "MemoryDeallocation"):
                    yield {
                        "name": name,
                        "time": line.timestamp_ns * 1000 + event.offset_ps,
                        **_statistics(plane, event),
                    }


def _statistics(plane, event):
    return {
        plane.stat_metadata[each.metadata_id].name: getattr(each, each.WhichOneof("value"))
        for each in event.stats
    }
