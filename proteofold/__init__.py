"""proteofold: find, for every protein of a proteome, the known 3D structures it resembles."""

__version__ = "0.1.0"
