"""Teacher networks: AudioSet taggers whose outputs are the student's training targets."""
