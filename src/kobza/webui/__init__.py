"""A library in the browser: `collection` queries the library, `markup` and `map_layout` write HTML, `app` serves it."""
