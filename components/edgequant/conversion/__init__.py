"""The step that makes one .tflite file per variant, each proven to be what its name says."""
