"""Settings that all tests share."""

from hypothesis import settings

settings.register_profile("archscope", deadline=None, print_blob=True)  # time is measured in benchmarks/, not here
settings.load_profile("archscope")
