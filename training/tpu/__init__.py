"""The cost of a training step on a TPU slice, found by compiling it without one."""
