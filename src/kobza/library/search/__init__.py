"""Search: the query language, the searches of a library, and the output formats."""
