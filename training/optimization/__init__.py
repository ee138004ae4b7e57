"""The optimizer of a run, its schedule and the averaged weights."""
