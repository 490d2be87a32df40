"""What the page asks of the server, a module for each subject: `router(collection)` gives its routes."""
