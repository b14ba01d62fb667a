"""The steps of one message, a file each, in the order the pipeline calls them.

Each step takes the frozen value that only the step before makes and returns the next: a path that forgets to
authorise or to verify does not type-check.
"""
