"""The torch side: nothing else in archscope imports torch."""

import os

# Its profiler, which counts memory, writes two lines to standard error whenever it runs, unless it was told not to
# before torch is loaded.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")
