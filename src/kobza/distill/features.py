"""The features that the student is trained on, and with which its checkpoint is exported."""

from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor

WINDOW_LOUDNESS = -18.0  # dB relative to full scale: a copy at another level gives the same features


def feature_extractor() -> KobzaFeatureExtractor:
    return KobzaFeatureExtractor(window_loudness=WINDOW_LOUDNESS)
