"""Training audio for distillation: recordings from Debian packages, and songs rendered or sung from MIDI files."""
