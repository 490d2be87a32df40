"""The sub-commands of `kobza`, one file a room; each reads its arguments, calls the package, prints the answer."""
