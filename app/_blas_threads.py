"""Imported before NumPy: its BLAS gets one thread.

What it multiplies here is small, and its idle threads spin: on two cores they took a fifth of the
pictures (12.5 instead of 15.3 a second). torch brings its own threads and is not concerned.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
