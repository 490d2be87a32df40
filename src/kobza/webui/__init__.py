"""A library in the browser.

`collection` queries the library, `markup` and `map_layout` write HTML, `page` lays it out, `app` serves it.
"""
