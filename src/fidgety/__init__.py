"""A video-to-risk toolkit for infant movement; see README."""
