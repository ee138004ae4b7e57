"""Every export in every runtime that opens it; run by `python -m benchmarks.runtimes`."""
