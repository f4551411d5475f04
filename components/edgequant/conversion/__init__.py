"""The step that makes one .tflite file per variant, each verified against its name."""
