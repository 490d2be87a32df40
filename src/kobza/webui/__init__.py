"""A library in the browser: `collection` asks the library, `markup` and `atlas` write HTML, `app` serves it."""
