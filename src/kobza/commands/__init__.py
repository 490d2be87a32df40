"""The sub-commands of `kobza`, a module for each group: it declares arguments, calls the package, prints the result."""
