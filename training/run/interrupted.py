"""The exception of a run that was asked to stop and has saved its state."""

import signal


class Interrupted(Exception):
    """The process was asked to stop, and its state is in a checkpoint.

    Attributes:
        signal: number of the signal.
    """

    def __init__(self, signal_number: int, step: int):
        name = signal.Signals(signal_number).name
        super().__init__(
            f"Stopped by {name} after step {step:,}, which is saved. The same command resumes "
            "from there."
        )
        self.signal = signal_number
