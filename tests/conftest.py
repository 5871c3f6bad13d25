"""Settings that all tests share."""

from hypothesis import settings

# The same examples every time, so that a change is blamed for what it broke; `--hypothesis-profile explore` draws
# new ones. Time is measured in benchmarks/, not here.
settings.register_profile("archscope", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("archscope")
