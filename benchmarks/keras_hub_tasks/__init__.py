"""KerasHub's detector and segmenter with this library's backbone."""
