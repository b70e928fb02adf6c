"""The version of this package, as files that it writes name it; the build reads it here too."""

VERSION = "0.1.0"


def version() -> str:
    """The version."""
    return VERSION
