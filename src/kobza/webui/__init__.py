"""A library in the browser.

`app` assembles the server, `collection` is the library as the page asks it, `routes` answer with JSON, `static` and
`templates` are the page itself.
"""
