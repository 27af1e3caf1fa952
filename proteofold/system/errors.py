"""The error that is the user's to mend."""


class UserError(Exception):
    """Something that the user can put right; the message says what, where and how. Shown without a traceback."""
