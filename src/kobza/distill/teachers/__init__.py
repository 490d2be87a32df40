"""Teacher networks: taggers of sounds and music, whose outputs are the student's training targets."""
