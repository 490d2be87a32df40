"""Playing what was found: with a player of this machine, or on a music server (MPD, Subsonic)."""
