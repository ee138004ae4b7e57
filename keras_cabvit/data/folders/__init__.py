"""Finding the images of a folder, their classes and splits."""
