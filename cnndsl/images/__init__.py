"""Images read from files, and made into the input of a network as its spec's `preprocess` says."""

from .finding import find_images
from .moments import Moments
from .pixels import handed_in, network_input, read_input
from .reading import BrokenImage, read_image

__all__ = ["BrokenImage", "Moments", "find_images", "handed_in", "network_input", "read_image", "read_input"]
