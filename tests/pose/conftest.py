"""Lets the tests of poses import `films`."""
