"""Training: the teacher, the student and the bridge between sound and words."""
