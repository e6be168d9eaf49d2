"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Something that was given is wrong; the message says what, where, and what to do about it.

    The command line prints the message alone and exits with status 2. Anything else that is raised is a fault of ours
    and keeps its traceback.
    """
