import random
import unittest

import numpy as np
import pytest
import transformers_suite

from kobza import KobzaFeatureExtractor

pytestmark = pytest.mark.slow
common = transformers_suite.load("test_sequence_feature_extraction_common")


class KobzaFeatureExtractorTester:
    """What the suite asks for: settings, and waveforms of three lengths (400, 800 and 1200 samples and so on)."""

    batch_size, min_seq_length, max_seq_length, feature_size = 7, 400, 2000, 1
    seq_length_diff = (max_seq_length - min_seq_length) // (batch_size - 1)

    def prepare_feat_extract_dict(self) -> dict:
        return {"feature_size": 1, "sampling_rate": 16000, "padding_value": 0.0, "window_seconds": 5.0}

    def prepare_inputs_for_common(self, equal_length: bool = False, numpify: bool = False) -> list:
        chance = random.Random(0)
        lengths = range(self.min_seq_length, self.max_seq_length, self.seq_length_diff)
        lengths = [self.max_seq_length] * self.batch_size if equal_length else lengths
        waves = [[chance.random() for _ in range(length)] for length in lengths]
        return [np.asarray(wave) for wave in waves] if numpify else waves


class KobzaFeatureExtractorTest(common.SequenceFeatureExtractionTestMixin, unittest.TestCase):
    feature_extraction_class = KobzaFeatureExtractor

    def setUp(self):
        self.feat_extract_tester = KobzaFeatureExtractorTester()
